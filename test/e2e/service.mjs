// The real thing for a test: the Worker in a workerd and on a state of its own, which the test may kill and start
// again.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { select } from '../../bench/database.mjs'
import { metered } from '../../bench/machine.mjs'
import { prepare } from '../../scripts/database.mjs'
import { freePort } from '../../scripts/port.mjs'
import { serveWorker, startWorker, waitUntil } from '../../scripts/worker.mjs'
import { prepared } from './prepared.mjs'

/**
 * A running, empty service with the demo clinic and its key. It ends, and its state goes, with the test.
 * `settings` stand before what wrangler.toml says under [vars]. It runs as `npm run serve` runs it, or under
 * `wrangler dev` as `npm start` does, which takes several times as long to start.
 */
export async function startService(t, settings = {}, { isDev = false } = {}) {
  const { build, state, key } = prepared()
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-e2e-'))
  cpSync(state, stateDir, { recursive: true })
  let worker
  const launch = async () => {
    const where = { port: await freePort(), stateDir, settings }
    worker = isDev ? startWorker(where) : serveWorker({ ...where, build })
  }
  const start = async () => {
    await launch()
    await worker.answers()
  }
  t.after(async () => {
    await worker?.stop()
    rmSync(stateDir, { recursive: true, force: true })
  })
  await start()
  const send = caller(() => worker.url, key)
  return {
    key,
    get: (path) => send('GET', path),
    post: (path, body, headers) => send('POST', path, JSON.stringify(body), headers),
    /** Where it is now; each start takes a free port. */
    url: () => worker.url,
    /** As `npm start` does when it is called again. */
    async restart() {
      await worker.stop()
      await prepare(stateDir, key)
      await start()
    },
    stop: () => worker.stop(),
    kill9: () => worker.kill9(),
    /** Sends a file and leaves the answer's body unread: where the service is killed next, there is none. */
    async upload(path, csv, headers) {
      const { status, body } = await fetch(
        `${worker.url}${path}`,
        requestOf(key, 'POST', formOf(csv), headers),
      )
      t.after(() => body.cancel().catch(() => {}))
      return status
    },
    start,
    /** Starts it and asks it nothing, not even whether it is there. */
    launch,
    /** What it has printed since it was started. */
    printed: () => worker.printed(),
    /** The process that serves; not under `wrangler dev`. */
    pid: () => worker.pid,
    /** The folder of its state. */
    stateDir,
    /** Bytes of memory of its workerd, or null where that is not measured. */
    memoryBytes: () => metered(worker.pid).bytes(),
    /** Reads D1's own file, past the Worker. */
    select: (sql) => select(stateDir, sql),
  }
}

const caller = (url, key) => async (method, path, body, headers) => {
  const response = await fetch(`${url()}${path}`, requestOf(key, method, body, headers))
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: parsed(text) }
}

const requestOf = (key, method, body, headers) => ({
  method,
  headers: { Authorization: `Bearer ${key}`, ...headers },
  body,
})

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function formOf(csv) {
  const form = new FormData()
  form.set('file', new Blob([csv], { type: 'text/csv' }), 'hospitals.csv')
  return form
}

/** Asks again until the answer is as it should be, and returns it. */
export async function eventually(ask, isRight, withinMs, what) {
  let answer
  await waitUntil(
    async () => {
      answer = await ask()
      return isRight(answer)
    },
    withinMs,
    what,
  )
  return answer
}
