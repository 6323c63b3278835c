import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rounds } from '../../scripts/rounds.mjs'
import { startUpstream } from '../../scripts/upstream.mjs'
import { eventually, startService } from './service.mjs'

const KILLS = rounds(2, 10)
const IMPORTS = '/api/v1/hospitals'
const CHUNK_ROWS = 1_000
const MOVES_WITHIN_MS = 90_000
const COMPLETED_WITHIN_MS = 180_000
const FAULTS = { error: 0.02, reset: 0.03, lost: 0.03, html: 0.01, truncated: 0.01 }

/** Two at once: most of what they take is waiting, for a start or for the end of a dead worker's lease. */
describe('kill -9', { concurrency: true }, () => {
  test(`killed ${KILLS} times midway, an import completes by itself, each row once`, async (t) => {
    const service = await startService(t)
    const rows = 30_000
    await upload(
      service,
      'many',
      csvOf(rows, (n) => n),
    )
    await killedAgainAndAgain(service, () => service.printed().includes('import.chunk_done'))
    const [left] = await service.select(
      `SELECT i.state, sum(c.state = 'pending') AS chunks FROM imports i JOIN import_chunks c ON c.job_id = i.id`,
    )
    t.diagnostic(`after ${KILLS} kills ${JSON.stringify(left)} were left`)
    assert.ok(left.state === 'processing' && left.chunks > 0, 'every kill came midway')

    await service.start()
    await completed(service, 1)
    await service.kill9()
    const [found] = await service.select(
      'SELECT count(*) AS hospitals, count(DISTINCT name) AS names FROM hospitals',
    )
    assert.deepEqual(found, { hospitals: rows, names: rows })
    assert.deepEqual(await outcomes(service), [{ status: 'created', reason: null, count: rows }])
  })

  test(`killed ${KILLS} times midway, and among faults, imports into another directory complete, no hospital twice`, async (t) => {
    const rates = {}
    const upstream = await startUpstream({ port: 0, rates })
    t.after(() => upstream.stop())
    const service = await startService(t, {
      HOSPITAL_DIRECTORY_URL: upstream.url,
      HOSPITAL_DIRECTORY_PER_SECOND: '60',
    })
    // Few rows of a chunk are new. The others need no call, so that many chunks are not as many minutes.
    const [chunks, perChunk, fewRows] = [12, 20, 60]
    const rows = chunks * CHUNK_ROWS
    await upload(
      service,
      'killed',
      csvOf(rows, (n) => (n % (CHUNK_ROWS / perChunk) === 0 ? n : 0)),
    )
    const made = [0]
    await killedAgainAndAgain(
      service,
      () => upstream.report().hospitals > made.at(-1),
      () => {
        made.push(upstream.report().hospitals)
      },
    )
    t.diagnostic(`hospitals there when it was killed: ${made.slice(1)}`)
    assert.ok(made.at(-1) < chunks * perChunk, 'every kill came midway')

    Object.assign(rates, FAULTS)
    await service.start()
    // While the leases of the dead run out.
    await upload(
      service,
      'faults',
      csvOf(fewRows, (n) => rows + n),
    )
    await completed(service, 2)
    await service.kill9()
    const [report, ended] = [upstream.report(), await outcomes(service)]
    t.diagnostic(JSON.stringify({ report, ended }))
    assert.equal(report.doubled, 0)
    const counted = (reason) => ended.find((one) => one.reason === reason)?.count ?? 0
    const [created, unknown] = [counted(null), counted('unknown_outcome')]
    assert.equal(counted('duplicate_in_file'), rows - chunks * perChunk)
    assert.equal(created + unknown + counted('directory_unavailable'), chunks * perChunk + fewRows)
    assert.ok(report.hospitals >= created && report.hospitals <= created + unknown)
    const [ours] = await service.select(`SELECT count(*) AS hospitals, count(DISTINCT name) AS names,
      (SELECT count(DISTINCT record_id) FROM staged_rows) AS records FROM hospitals`)
    assert.deepEqual(ours, { hospitals: created, names: created, records: created })
  })
})

/** As soon as it has moved on since it was started. In all that time nobody asks it anything. */
async function killedAgainAndAgain(service, hasMoved, onKill = () => {}) {
  for (let kill = 1; kill <= KILLS; kill += 1) {
    if (kill > 1) await service.launch()
    await eventually(hasMoved, (isSo) => isSo, MOVES_WITHIN_MS, `the import to move on before kill ${kill}`)
    await service.kill9()
    onKill()
  }
}

async function upload(service, key, csv) {
  assert.equal(await service.upload(`${IMPORTS}/bulk`, csv, { 'Idempotency-Key': key }), 202)
}

/** To ask how far a job is wakes nobody. */
const completed = (service, jobs) =>
  eventually(
    async () => (await service.get(`${IMPORTS}/jobs`)).body.jobs,
    (found) => found.length === jobs && found.every(({ status }) => status === 'completed'),
    COMPLETED_WITHIN_MS,
    'the imports to complete',
  )

const outcomes = (service) =>
  service.select(
    'SELECT status, reason, count(*) AS count FROM staged_rows GROUP BY status, reason ORDER BY status, reason',
  )

const csvOf = (rows, numberOf) =>
  [
    'name,address,phone',
    ...Array.from({ length: rows }, (_, n) => numberOf(n)).map(
      (n) => `Hospital ${n},"${n} Main Street",2025550100`,
    ),
  ].join('\n')
