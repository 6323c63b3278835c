import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { appliedMigrations, migrate } from '../../scripts/database.mjs'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { serveWorker, startWorker, waitUntil } from '../../scripts/worker.mjs'
import { prepared } from './prepared.mjs'
import { startService } from './service.mjs'

const run = promisify(execFile)
const STARTS_WITHIN_MS = 90_000

/** `npm run serve` in a process group of its own, and what it has printed. */
async function serve(t, STATE_DIR, givenPort, settings = {}) {
  const port = givenPort ?? (await freePort())
  const env = { ...process.env, STATE_DIR, PORT: String(port), ...settings }
  const options = { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }
  const child = spawn('npm', ['run', 'serve'], options)
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk))
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGTERM')
    await exited
  })
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    /** As the program that reads the output may. */
    closeOutput: () => [child.stdout, child.stderr].forEach((stream) => void stream.destroy()),
    printed: () => printed,
    started: () => waitUntil(() => /Stop with Ctrl-C/.test(printed), STARTS_WITHIN_MS, 'npm run serve'),
    ended: async () => (await exited)[0],
  }
}

test('serve says how to open the first clinic of a new state, and its line works as printed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "doctorday it's "))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const stateDir = join(folder, 'my state')
  const service = await serve(t, stateDir)
  await service.started()
  assert.match(service.printed(), new RegExp(`${service.url}/docs`))
  await waitUntil(() => /--country US$/m.test(service.printed()), STARTS_WITHIN_MS, 'the first clinic')
  const [, line] = /^ {2}(STATE_DIR=.+)$/m.exec(service.printed())

  const said = await adminKey(line)
  assert.doesNotMatch(said, /held no state|exists/)
  assert.ok(said.includes(stateDir))
  assert.equal(await statusWith(service.url, said), 200)

  const again = await adminKey(line.replace('Main Street', 'Other Street'))
  assert.match(again, /^The clinic main exists\. Its name, time zone and country stay/m)
  assert.match(again, /^Main Street Clinic, America\/New_York, US\.$/m)
  assert.equal(await statusWith(service.url, again), 200)

  const elsewhere = await adminKey(line.replace('my state', 'my stale'))
  assert.match(elsewhere, /my stale held no state, so a new one was made there\./)
  assert.equal(await statusWith(service.url, elsewhere), 401)

  const refused = await serve(t, join(folder, 'new'), service.port)
  assert.equal(await refused.ended(), 1)
  assert.match(refused.printed(), /Port \d+ is in use/)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('new')),
    [],
  )
})

/** What the command prints, in a shell that sets no STATE_DIR. */
async function adminKey(line) {
  const env = { ...process.env, STATE_DIR: '' }
  return (await run('sh', ['-c', line], { cwd: ROOT, env })).stdout
}

/** The status that a call gets with the key among what `admin-key` printed. */
async function statusWith(url, printed) {
  const [key] = /^key_\S+$/m.exec(printed)
  return (await fetch(`${url}/api/v1/doctors`, { headers: { Authorization: `Bearer ${key}` } })).status
}

test('one service at a time uses a state folder; where a clinic exists, none is to be opened', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-serve-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const stateDir = join(folder, 'state')
  cpSync(prepared().state, stateDir, { recursive: true })
  const first = await serve(t, stateDir)
  await first.started()

  const second = await serve(t, stateDir)
  assert.equal(await second.ended(), 1)
  assert.match(
    second.printed(),
    /A service runs on .*state already \(process \d+\)\. Stop it first, or choose another folder/,
  )
  assert.doesNotMatch(second.printed(), /at .*\.mjs:\d+/, 'no stack trace')
  assert.doesNotMatch(first.printed(), /admin-key/)
})

test('a start that cannot succeed says at once what to set, and leaves the state as it is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-serve-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [stateDir, file] = [join(folder, 'state'), join(folder, 'file')]
  cpSync(prepared().state, stateDir, { recursive: true })
  writeFileSync(file, '')
  const says = async (where, settings, sentence) => {
    const refused = await serve(t, where, undefined, settings)
    assert.equal(await refused.ended(), 1)
    assert.match(refused.printed(), sentence)
    assert.doesNotMatch(refused.printed(), /at .*\.mjs:\d+/, 'no stack trace')
  }
  await says(stateDir, { DOCTORDAY_SECRET: 'too short' }, /DOCTORDAY_SECRET must be at least 32 visible/)
  const another = { DOCTORDAY_SECRET: 'another-secret-of-more-than-thirty-two-characters' }
  await says(stateDir, another, /belong to another secret\. Set DOCTORDAY_SECRET/)
  rmSync(join(stateDir, 'secret'))
  await says(stateDir, {}, /belong to a secret that is nowhere\. Set DOCTORDAY_SECRET/)
  assert.ok(!existsSync(join(stateDir, 'secret')) && !existsSync(`${stateDir}.secret`))
  await says(file, {}, /STATE_DIR must be a folder that this user can write to/)
})

test('a service on another address says where it runs, and ends when nobody reads its output any more', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-serve-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const service = await serve(t, join(folder, 'state'), undefined, { HOST: '127.0.0.2' })
  await service.started()
  const url = `http://127.0.0.2:${service.port}`
  assert.ok(service.printed().includes(`Doctorday runs at ${url};`))
  service.closeOutput()
  const isOver = () =>
    fetch(`${url}/health`).then(
      () => false,
      () => true,
    )
  await waitUntil(isOver, STARTS_WITHIN_MS, 'the service to end')
})

test('two commands that find a new state at once apply its migrations once, and neither fails', async (t) => {
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-'))
  t.after(() => rmSync(stateDir, { recursive: true, force: true }))
  await Promise.all([migrate(stateDir), migrate(stateDir)])
  const applied = await appliedMigrations(stateDir)
  const wanted = readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql'))
  assert.deepEqual(applied.toSorted(), wanted.toSorted())
})

test('each script with options prints its usage for --help, and exits with 0', async () => {
  for (const script of ['admin-key', 'check', 'import', 'serve', 'start', 'upstream']) {
    const ran = await run(process.execPath, [join(ROOT, 'scripts', `${script}.mjs`), '--help'])
    assert.match(ran.stdout, /^npm (run )?[a-z-]+/, script)
    await assert.rejects(
      run(process.execPath, [join(ROOT, 'scripts', `${script}.mjs`), '--odd']),
      (error) => {
        assert.match(error.stderr, /--odd/)
        return error.code > 0
      },
    )
  }
})

test('a service that starts on a state in use ends by itself; kill -9 leaves the state free', async (t) => {
  const service = await startService(t)
  const { build } = prepared()
  for (const start of [serveWorker, startWorker]) {
    const other = start({ port: await freePort(), stateDir: service.stateDir, build })
    t.after(() => other.stop())
    await assert.rejects(other.answers(), /Another service uses/)
  }
  assert.equal((await service.get('/health')).status, 200)
  await service.kill9()
  await service.start()
  assert.equal((await service.get('/health')).status, 200)
})

/** Callers who send as fast as they are answered, from before the service listens. */
const CROWD = 32
const CROWD_MS = 3_000
/** Ends the test long before fetch itself gives up, on a machine of any speed. */
const NO_ANSWER_MS = 60_000

test('a crowd that is there before the service starts gets an answer to every request', async (t) => {
  const service = await startService(t)
  await service.stop()
  await service.launch()
  const ask = () => fetch(`${service.url()}/health`, { signal: AbortSignal.timeout(NO_ANSWER_MS) })
  const listens = async () => (await ask().catch(({ cause }) => cause?.code !== 'ECONNREFUSED')) !== false
  const member = async () => {
    await waitUntil(listens, STARTS_WITHIN_MS, 'the port')
    const endsAt = Date.now() + CROWD_MS
    while (Date.now() < endsAt) assert.equal((await ask()).status, 200)
  }
  await Promise.all(Array.from({ length: CROWD }, member))
})
