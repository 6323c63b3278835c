import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { ROOT } from '../../scripts/root.mjs'
import { eventually, startService } from './service.mjs'

const REAL_FILE = join(ROOT, '..', 'shared', 'data', 'hospitals-cms.csv')
const REAL_ROWS = 5_306
const MANY_ROWS = 60_000
const COMPLETED_WITHIN_MS = 120_000
const PAGE = 1_000

test('an import that kill -9 interrupts completes by itself, with every hospital once', async (t) => {
  const csv = existsSync(REAL_FILE) ? readFileSync(REAL_FILE, 'utf8') : generated(REAL_ROWS)
  await completesAfterKill(t, csv, async () => {})
})

test('so does one that was killed when some of its chunks were done', (t) =>
  completesAfterKill(t, generated(MANY_ROWS), async (service) => {
    const newest = async () => (await service.get('/api/v1/hospitals/jobs?limit=1')).body.jobs[0]
    await eventually(newest, (job) => job.processed_hospitals > 0, COMPLETED_WITHIN_MS, 'the first chunk')
  }))

test('while an import works, others are answered, and see it move on', async (t) => {
  const service = await startService(t)
  const csv = generated(MANY_ROWS)
  assert.equal(await service.upload('/api/v1/hospitals/bulk', csv, { 'Idempotency-Key': 'e2e-import' }), 202)
  const seen = new Set()
  await eventually(
    async () => (await service.get('/api/v1/hospitals/jobs?limit=1')).body.jobs[0],
    ({ status, processed_hospitals: processed }) => {
      seen.add(processed)
      return status === 'completed'
    },
    COMPLETED_WITHIN_MS,
    'the import to complete',
  )
  assert.ok(seen.size > 5, `it was seen at ${[...seen]}`)
})

async function completesAfterKill(t, csv, killWhen) {
  const service = await startService(t)
  const rows = parse(csv, { columns: true, trim: true })
  const key = { 'Idempotency-Key': 'e2e-import' }
  assert.equal(await service.upload('/api/v1/hospitals/bulk', csv, key), 202)
  await killWhen(service)
  await service.kill9()
  const [job] = await service.select('SELECT id, state FROM imports')
  const chunks = await service.select('SELECT state, count(*) AS count FROM import_chunks GROUP BY state')
  t.diagnostic(`killed while ${job.state}, chunks ${JSON.stringify(chunks)}`)
  assert.match(job.state, /^(pending|processing)$/, 'it was killed while it worked')

  await service.start()
  const { body } = await eventually(
    () => service.get(`/api/v1/hospitals/status/${job.id}`),
    (reply) => /^(completed|failed)$/.test(reply.body.status),
    COMPLETED_WITHIN_MS,
    'the import to complete',
  )
  assert.equal(body.status, 'completed')
  assert.deepEqual([body.total_hospitals, body.processed_hospitals], [rows.length, rows.length])
  assert.deepEqual([body.failed_hospitals, body.progress_percentage], [0, 100])
  const rowNumbers = body.result.hospitals.map(({ row }) => row)
  assert.deepEqual(
    rowNumbers.toSorted((a, b) => a - b),
    rows.map((_, index) => index + 2),
    'each row once',
  )
  assert.deepEqual((await listed(service)).sort(), rows.map(spelled).sort())
}

const spelled = ({ name, address }) => `${name} | ${address}`

async function listed(service) {
  const found = []
  let path = `/api/v1/hospitals?limit=${PAGE}`
  while (path) {
    const { body, headers } = await service.get(path)
    found.push(...body.map(spelled))
    path = /<([^>]+)>; rel="next"/.exec(headers.get('Link') ?? '')?.[1]
  }
  return found
}

function generated(rows) {
  const lines = Array.from({ length: rows }, (_, n) => `Hospital ${n},"${n} Main Street, Town",2025550100`)
  return ['name,address,phone', ...lines].join('\n')
}
