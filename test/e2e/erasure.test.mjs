// Patients whose every word is a canary are erased. No canary is left in any file of the state, in what the service
// has printed or in what it answers; also not after the restore of a backup that was made before.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../scripts/root.mjs'
import { tellAll } from './canaries.mjs'
import { eventually, startService } from './service.mjs'

const CANARIES_MIN = 60

test('of erased patients no word is left in any file, log or answer, also after an older backup is restored', async (t) => {
  const service = await startService(t)
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-erasure-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [backup, list] = [join(folder, 'backup.tar'), join(folder, 'erasures.ndjson')]
  const { told, patients, days, call } = await tellAll(service)
  assert.ok(told.length >= CANARIES_MIN, `${told.length} canaries`)
  assert.ok(hitsIn(filesOf(service.stateDir), told).length > CANARIES_MIN / 2)
  run('backup', service.stateDir, [backup])

  for (const id of patients) {
    const asked = ['DELETE', `/api/v1/patients/${id}?cancel_ahead=true`]
    const key = { 'Idempotency-Key': `erase-${id}` }
    const first = await call(...asked, undefined, key)
    assert.equal(first.status, 200, first.text)
    assert.equal((await call(...asked, undefined, key)).text, first.text)
  }
  await isErased(told, patients, days, call)
  const printed = [service.printed()]
  run('erasures', service.stateDir, [list])
  // The days were awake just now, so the words are still in the logs of their files.
  const logs = [...filesOf(service.stateDir)].filter(([name]) => /DoctorDay.*-wal$/.test(name))
  assert.ok(hitsIn(new Map(logs), told).length > 0)
  await service.kill9()
  await service.start()
  assert.deepEqual(hitsIn(filesOf(service.stateDir), told), [])
  await isErased(told, patients, days, call)
  printed.push(service.printed())
  await service.restart()
  await isErased(told, patients, days, call)
  printed.push(service.printed())
  await service.stop()
  assert.deepEqual(hitsIn(filesOf(service.stateDir), told), [])
  assert.deepEqual(hitsIn(new Map([['printed', printed.join()]]), told), [])

  run('restore', service.stateDir, [backup, '--replace'])
  assert.deepEqual(hitsIn(filesOf(service.stateDir), told), [])
  await service.start()
  await isErased(told, patients, days, call)
  await service.stop()

  // The state is lost, and only the backup and the list are left.
  rmSync(join(service.stateDir, 'v3'), { recursive: true })
  run('restore', service.stateDir, [backup, '--erasures', list])
  assert.deepEqual(hitsIn(filesOf(service.stateDir), told), [])
  await service.start()
  await isErased(told, patients, days, call)
})

/** What the service answers: lists, files, audit, days and their chains. */
async function isErased(told, patients, days, call) {
  const lists = [
    '/api/v1/patients',
    '/events',
    '/tests?clinic_id=demo',
    '/api/v1/audit',
    '/api/v1/appointments',
  ]
  const imports = await Promise.all(
    ['/api/v1/patients/bulk', '/api/v1/tests/bulk/jobs'].map(async (path) => (await call('GET', path)).body),
  )
  const files = imports.flat().flatMap(({ job_id, status_url }) => {
    const path = status_url ?? `/api/v1/patients/bulk/${job_id}`
    return [path, `${path}/failed.csv`, `${path}/succeeded.csv`]
  })
  const answers = new Map()
  for (const path of [...lists, ...files]) {
    answers.set(path, (await call('GET', path)).text)
    answers.set(`${path} as CSV`, (await call('GET', path, undefined, { Accept: 'text/csv' })).text)
  }
  for (const id of patients) assert.equal((await call('GET', `/api/v1/patients/${id}`)).status, 404)
  for (const day of days) {
    const { body } = await eventually(
      () => call('GET', `${day}/verify`),
      ({ status }) => status === 200,
      10_000,
      'the day',
    )
    assert.equal(body.ok, true, JSON.stringify(body))
    answers.set(day, (await call('GET', `${day}/events`)).text)
  }
  assert.deepEqual(hitsIn(answers, told), [])
}

const hitsIn = (texts, told) =>
  [...texts].flatMap(([name, text]) => {
    const lower = text.toLowerCase()
    return told.filter(({ word }) => lower.includes(word)).map(({ what, word }) => `${name}: ${what} ${word}`)
  })

/** Every file, by its name, as it lies there: also what SQLite has not taken over yet, and the unused parts. */
const filesOf = (folder) =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      // A restore with --replace keeps what it replaces.
      .filter((path) => !path.includes('replaced-'))
      .map((path) => [path.slice(folder.length), contentOf(path)]),
  )

/** SQLite removes files of its own at any time. */
function contentOf(path) {
  try {
    return readFileSync(path).toString('latin1')
  } catch (error) {
    if (error.code === 'ENOENT') return ''
    throw error
  }
}

const run = (name, stateDir, args) =>
  execFileSync(process.execPath, [join(ROOT, 'scripts', 'backup', `${name}.mjs`), ...args], {
    env: { ...process.env, STATE_DIR: stateDir },
    encoding: 'utf8',
  })
