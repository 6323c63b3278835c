// The real thing for a test: `wrangler dev` on a state of its own, which the test may kill and start again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepare, select } from '../../scripts/database.mjs'
import { newKey } from '../../scripts/keys.mjs'
import { freePort } from '../../scripts/port.mjs'
import { startWorker, waitUntil } from '../../scripts/worker.mjs'

/**
 * A running, empty service with the demo clinic and its key. It ends, and its state goes, with the test.
 * `settings` stand before what wrangler.toml says under [vars].
 */
export async function startService(t, settings = {}) {
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-e2e-'))
  const key = newKey()
  let worker
  const launch = async () => {
    worker = startWorker({ port: await freePort(), stateDir, settings })
  }
  const start = async () => {
    await launch()
    await worker.answers()
  }
  t.after(async () => {
    await worker?.stop()
    rmSync(stateDir, { recursive: true, force: true })
  })
  await prepare(stateDir, key)
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
    /** Reads D1 itself, past the Worker: while nobody writes, or one of the two may find it locked. */
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
