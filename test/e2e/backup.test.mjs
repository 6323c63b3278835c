// A backup of a service under load, restored elsewhere, has what was acknowledged before it, and its days verify.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { select } from '../../bench/database.mjs'
import { takeSnapshot } from '../../scripts/backup/snapshot.mjs'
import { migrate } from '../../scripts/database.mjs'
import { today } from '../../scripts/demo.mjs'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { rounds } from '../../scripts/rounds.mjs'
import { secretInside } from '../../scripts/secret.mjs'
import { serveWorker, waitUntil } from '../../scripts/worker.mjs'
import { prepared } from './prepared.mjs'
import { startService } from './service.mjs'

const BACKUPS = rounds(4, 20)
const CALLERS = 8
const DOCTORS = 16
const STARTED_WITHIN_MS = 60_000

test(`${BACKUPS} backups under load and kills: each that is complete has every record acknowledged before it`, async (t) => {
  const service = await startService(t)
  const folder = newFolder(t)
  const load = await startLoad(service)
  t.after(() => load.stop())
  let complete = 0
  for (let round = 0; round < BACKUPS; round += 1) {
    const file = join(folder, `${round}.tar`)
    await load.grows()
    const before = load.acknowledged()
    const backup = command('backup', service.stateDir, [file])
    // Every other backup is interrupted: the service dies, or the command does.
    const isKilled = round % 2 === 1
    if (isKilled) await sleep(150 + round * 40)
    if (isKilled && round % 4 === 1) {
      await service.kill9()
      await restarted(service)
    } else if (isKilled) backup.kill()
    await backup.ended
    assert.ok(isKilled || existsSync(file), backup.said())
    assert.ok(isKilled || !existsSync(`${file}.part`))
    if (!existsSync(file)) continue
    complete += 1
    await restoredHas(t, service, load, file, before)
  }
  const records = load.acknowledged()
  const visits = records.filter(({ path }) => path).length
  assert.ok(visits > BACKUPS, `${visits} visits of ${records.length} records`)
  t.diagnostic(`${complete} of ${BACKUPS} were complete; ${records.length} records, ${visits} visits`)
  await load.grows()
})

test('a snapshot has what was written until all stood still, and of a large database nothing later', async (t) => {
  const [stateDir, folder] = [newFolder(t), newFolder(t)]
  const path = (name) => join('v3', 'do', name)
  mkdirSync(join(stateDir, 'v3', 'do'), { recursive: true })
  const databases = ['small.sqlite', 'large.sqlite'].map((name) => {
    const database = new DatabaseSync(join(stateDir, path(name)))
    t.after(() => database.close())
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE told (text)')
    return database
  })
  const tell = (text) => {
    for (const database of databases) database.prepare('INSERT INTO told VALUES (?)').run(text)
  }
  databases[1].exec('CREATE TABLE filled AS SELECT randomblob(2000000) AS bytes')
  tell('before the first copy')
  await takeSnapshot(stateDir, folder, async (copy) => {
    tell('after the first copy')
    const kept = copy()
    tell('later')
    return kept
  })
  for (const name of ['small.sqlite', 'large.sqlite']) {
    const copied = new DatabaseSync(join(folder, path(name)))
    const told = copied.prepare('SELECT text FROM told').all()
    copied.close()
    assert.deepEqual(
      told.map(({ text }) => text),
      ['before the first copy', 'after the first copy'],
      name,
    )
  }
})

test('restore refuses what is no backup, a state that is there, and another secret; --replace keeps the old state', async (t) => {
  const service = await startService(t)
  const folder = newFolder(t)
  const [file, copy] = [join(folder, 'backup.tar'), join(folder, 'state')]
  const own = ownSecret(service.stateDir)
  await service.stop()
  await said('backup', service.stateDir, [file], /holds \d+ files/)
  assert.equal(statSync(file).mode & 0o077, 0)
  await said('restore', copy, [file], /the secret of its deployment is nowhere/)
  await said('restore', copy, [file], /belongs to another secret/, ANOTHER_SECRET)
  await said('restore', copy, [join(folder, 'nothing.tar')], /^Nothing was restored: .*ENOENT/m, own)
  await said('restore', service.stateDir, [file], /has a state\. Choose another STATE_DIR/)
  const cut = join(folder, 'cut.tar')
  cpSync(file, cut)
  truncateSync(cut, statSync(cut).size - 2_048)
  await said('restore', service.stateDir, [cut, '--replace'], /is no complete backup/)
  assert.ok(!existsSync(copy) && !existsSync(`${copy}.secret`))
  assert.ok(existsSync(join(service.stateDir, 'v3')))
  await said('restore', service.stateDir, [file, '--replace'], /is as it was at/)
  assert.equal(readdirSync(service.stateDir).filter((name) => name.startsWith('replaced-')).length, 1)
  await service.start()
  await said('restore', service.stateDir, [file, '--replace'], /a service runs on/)
})

test('a restore that was cut off at any of its renames is told by the next start, and goes on', async (t) => {
  const service = await startService(t)
  const folder = newFolder(t)
  const [file, state] = [join(folder, 'backup.tar'), (name) => join(service.stateDir, name)]
  await service.stop()
  await said('backup', service.stateDir, [file], /holds \d+ files/)
  const cut = () => writeFileSync(state('restoring'), '')
  const refuses = async () =>
    assert.rejects(migrate(service.stateDir), /A restore of .* was interrupted\. Call npm run restore again/)
  cut()
  await refuses()
  await said('restore', service.stateDir, [file], /The restore that was interrupted is complete/)
  mkdirSync(state('aside'))
  renameSync(state('v3'), join(state('aside'), 'v3'))
  cut()
  await refuses()
  await said('restore', service.stateDir, [file], /is as it was at/)
  cut()
  mkdirSync(join(state('.restoring'), 'v3'), { recursive: true })
  await refuses()
  await said('restore', service.stateDir, [file], /has a state/)
  assert.ok(!existsSync(state('restoring')))
  await service.start()
})

test('a backup of no state, to no file, beside another, or without the secret is refused, and leaves nothing', async (t) => {
  const service = await startService(t)
  const folder = newFolder(t)
  const [file, nowhere] = [join(folder, 'backup.tar'), join(folder, 'nowhere')]
  await said('backup', nowhere, [file], /holds no state/)
  await said('backup', service.stateDir, [join(folder, 'no', 'backup.tar')], /is no folder\. Make it first/)
  await said('backup', service.stateDir, ['/dev/null'], /is no regular file/)
  assert.deepEqual(readdirSync(folder), [])
  const both = [1, 2].map((n) => command('backup', service.stateDir, [join(folder, `${n}.tar`)]))
  await Promise.all(both.map(({ ended }) => ended))
  const texts = both.map((each) => each.said()).join('\n')
  assert.match(texts, /holds \d+ files/)
  assert.ok(/Another backup is under way/.test(texts) || texts.match(/holds \d+ files/g).length === 2, texts)
  mkdirSync(join(service.stateDir, '.snapshot', 'v3'), { recursive: true })
  await said('backup', service.stateDir, [file], /holds \d+ files/)
  assert.ok(!existsSync(join(service.stateDir, '.snapshot')))
})

const ANOTHER_SECRET = { DOCTORDAY_SECRET: 'another-secret-of-more-than-thirty-two-characters' }

/** As a service manager does: while a backup has the state, a start is refused. */
const restarted = (service) =>
  waitUntil(
    () =>
      service.start().then(
        () => true,
        () => false,
      ),
    STARTED_WITHIN_MS,
    'the service',
  )

const newFolder = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-backup-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The secret of a test's state lies inside it, and a backup does not hold it. */
const ownSecret = (stateDir) => ({ DOCTORDAY_SECRET: secretInside(stateDir) })

async function said(name, stateDir, args, sentence, env) {
  const ran = command(name, stateDir, args, env)
  await ran.ended
  assert.match(ran.said(), sentence)
}

function command(name, stateDir, args, env = {}) {
  const script = join('scripts', 'backup', `${name}.mjs`)
  const child = spawn(process.execPath, [join(ROOT, script), ...args], {
    env: { ...process.env, ...env, STATE_DIR: stateDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece))
  return { ended: once(child, 'close'), said: () => text, kill: () => child.kill('SIGKILL') }
}

/** Callers that book, and store medical tests, without a pause. They go on while the service is down. */
async function startLoad(service) {
  const made = []
  const date = today()
  const doctors = await Promise.all(
    Array.from({ length: DOCTORS }, (_, n) =>
      service.post('/api/v1/doctors', { name: `Dr ${n}`, code: `B-${n}`, capacity: 1_000 }),
    ),
  )
  let isOver = false
  let number = 0
  const next = async () => {
    number += 1
    const n = number
    const key = (what) => ({ 'Idempotency-Key': `${what}-${n}` })
    const fields = { patient_id: `p${n}`, clinic_id: 'demo', test_type: 'blood', result: 'normal' }
    const test = await service.post('/tests', { test_id: `t${n}`, ...fields }, key('test'))
    if (test.status === 201) made.push({ test: `t${n}` })
    const patient = await service.post(
      '/api/v1/patients',
      { name: `Patient ${n}`, phone: phone(n) },
      key('patient'),
    )
    if (patient.status !== 201) return
    const visit = { patient_id: patient.body.id, doctor_id: doctors[n % DOCTORS].body.id, date }
    const booked = await service.post('/api/v1/appointments', visit, key('visit'))
    if (booked.status === 201)
      made.push({ path: `/api/v1/appointments/${booked.body.id}`, text: booked.text })
  }
  const caller = async () => {
    while (!isOver) await next().catch(() => sleep(50))
  }
  const callers = Array.from({ length: CALLERS }, caller)
  return {
    date,
    doctors: doctors.map(({ body }) => body.id),
    acknowledged: () => [...made],
    async grows() {
      const wanted = made.length + 20
      while (made.length < wanted) await sleep(20)
    },
    async stop() {
      isOver = true
      await Promise.all(callers)
    },
  }
}

/** What the backup has, read through a service on another state, which then goes. */
async function restoredHas(t, service, load, file, made) {
  const stateDir = join(newFolder(t), 'state')
  const secret = ownSecret(service.stateDir)
  await said('restore', stateDir, [file], /is as it was at/, secret)
  const restored = serveWorker({
    port: await freePort(),
    stateDir,
    build: prepared().build,
    settings: secret,
  })
  t.after(() => restored.stop())
  await restored.answers()
  const headers = { Authorization: `Bearer ${service.key}` }
  const get = async (path) => (await fetch(`${restored.url}${path}`, { headers })).text()
  const post = async (path, body) =>
    (await fetch(`${restored.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  const tests = new Set(select(stateDir, 'SELECT test_id FROM medical_tests').map(({ test_id }) => test_id))
  const lost = made.filter(({ test }) => test && !tests.has(test))
  for (const { path, text } of made) if (path && (await get(path)) !== text) lost.push(path)
  assert.deepEqual(lost, [])
  const newcomer = await post('/api/v1/patients', { name: 'Newcomer', phone: '+1 202 456 1111' })
  for (const doctor_id of load.doctors) {
    assert.match(await get(`/api/v1/doctors/${doctor_id}/days/${load.date}/verify`), /"ok":true/)
    // A day gives a slot only if it has everything that D1 has copied from it.
    const visit = await post('/api/v1/appointments', { patient_id: newcomer.id, doctor_id, date: load.date })
    assert.equal(visit.status, 'booked', JSON.stringify(visit))
  }
  await restored.stop()
}

const phone = (n) =>
  `+1 202 ${String(555 + Math.floor(n / 10_000)).padStart(3, '0')} ${String(n % 10_000).padStart(4, '0')}`
