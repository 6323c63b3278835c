import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { serveWorker, startWorker, waitUntil } from '../../scripts/worker.mjs'
import { prepared } from './prepared.mjs'
import { startService } from './service.mjs'

const run = promisify(execFile)
const STARTS_WITHIN_MS = 90_000

/** `npm run serve` in a process group of its own, and what it has printed. */
async function serve(t, STATE_DIR) {
  const port = await freePort()
  const env = { ...process.env, STATE_DIR, PORT: String(port) }
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
    url: `http://127.0.0.1:${port}`,
    printed: () => printed,
    started: () => waitUntil(() => /^First clinic: /m.test(printed), STARTS_WITHIN_MS, 'npm run serve'),
    ended: async () => (await exited)[0],
  }
}

test('one service at a time uses a state folder, and its line for the first key works as printed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "doctorday it's "))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const stateDir = join(folder, 'my state')
  cpSync(prepared().state, stateDir, { recursive: true })
  const first = await serve(t, stateDir)
  await first.started()

  const second = await serve(t, stateDir)
  assert.equal(await second.ended(), 1)
  assert.match(
    second.printed(),
    /A service runs on .*my state already\. Stop it first, or choose another folder/,
  )
  assert.doesNotMatch(second.printed(), /at .*\.mjs:\d+/, 'no stack trace')

  const [, line] = /^First clinic: (.+)$/m.exec(first.printed())
  const { stdout } = await run('sh', ['-c', line], { cwd: ROOT, env: { ...process.env, STATE_DIR: '' } })
  const [key] = /^key_\S+$/m.exec(stdout)
  const listed = await fetch(`${first.url}/api/v1/doctors`, { headers: { Authorization: `Bearer ${key}` } })
  assert.equal(listed.status, 200)
})

test('a service that starts on a state in use ends by itself; kill -9 leaves the state free', async (t) => {
  const service = await startService(t)
  const { bundle } = prepared()
  for (const start of [serveWorker, startWorker]) {
    const other = start({ port: await freePort(), stateDir: service.stateDir, bundle })
    t.after(() => other.stop())
    await assert.rejects(other.answers(), /Another service uses/)
  }
  assert.equal((await service.get('/health')).status, 200)
  await service.kill9()
  await service.start()
  assert.equal((await service.get('/health')).status, 200)
})
