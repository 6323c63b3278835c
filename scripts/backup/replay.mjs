// Erases again, in a state that a backup has restored, who was erased after the backup. Needs the packaged Node.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrate } from '../database.mjs'
import { forgetErased } from '../erased.mjs'
import { newKey, partsOf } from '../keys.mjs'
import { readLocal, writeLocal } from '../local-database.mjs'
import { freePort } from '../port.mjs'
import { builtServer } from '../server/built.mjs'
import { serveWorker } from '../worker.mjs'

/** The databases of the days, in a state. */
const DAYS = join('v3', 'do', 'doctorday-DoctorDay')

/** The alarms of the days copy to D1 what the backup has not, within seconds. */
const COPIED_WITHIN_MS = 60_000
const POLL_MS = 200

/** As many as a request takes. */
const AT_ONCE = 100

/** Requests in a row that complete no erasure: a patient of many visits needs several. */
const TRIES_MAX = 20

const KEY_MS = 3_600_000

/**
 * The service itself erases, before anybody else can ask it: it is served to this process alone, on a port of this
 * machine. Returns how many it has erased, and how many it could not erase, because a day is damaged.
 */
export async function replayErasures(stateDir, erasures, secret) {
  if (erasures.length === 0) return { erased: 0, left: 0 }
  await migrate(stateDir)
  const keys = openDoors(stateDir, [...new Set(erasures.map(({ clinic_id }) => clinic_id))], secret)
  const days = versionsIn(stateDir)
  const build = await builtServer()
  const worker = serveWorker({
    port: await freePort(),
    stateDir,
    build,
    settings: { DOCTORDAY_SECRET: secret },
  })
  let left = 0
  try {
    await worker.answers()
    // A visit that D1 does not know yet would not be found.
    await untilCopied(stateDir, days)
    for (const [clinicId, key] of keys) {
      const own = erasures.filter(({ clinic_id }) => clinic_id === clinicId)
      left += await replay(worker.url, key, own)
    }
  } finally {
    await worker.stop()
    closeDoors(stateDir, keys)
  }
  forgetErased(stateDir, { isForced: true })
  return { erased: erasures.length - left, left }
}

/** How many events each day has, by clinic, doctor and date. */
function versionsIn(stateDir) {
  const folder = join(stateDir, DAYS)
  const files = existsSync(folder) ? readdirSync(folder) : []
  const days = files
    .filter((name) => name.endsWith('.sqlite') && !name.startsWith('metadata'))
    .map((name) => versionOf(join(folder, name)))
  return new Map(days.filter((day) => day !== undefined))
}

/** Undefined for a day without events, and for one that cannot be read: no erasure reaches that one either. */
function versionOf(path) {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const { version } = database.prepare('SELECT max(seq) AS version FROM events').get()
    const { body } = database.prepare('SELECT body FROM events WHERE body LIKE \'%"opened"%\' LIMIT 1').get()
    const { clinicId, doctorId, date } = JSON.parse(body)
    return [nameOf(clinicId, doctorId, date), version]
  } catch {
    return undefined
  } finally {
    database.close()
  }
}

const nameOf = (...parts) => JSON.stringify(parts)

/** Ends without them when a day does not copy: then the day is damaged. */
async function untilCopied(stateDir, days) {
  const until = Date.now() + COPIED_WITHIN_MS
  const isBehind = () => {
    const copied = new Map(readLocal(stateDir, copiedIn))
    return [...days].some(([name, version]) => (copied.get(name) ?? 0) < version)
  }
  while (isBehind() && Date.now() < until) await sleep(POLL_MS)
}

const copiedIn = (database) =>
  database
    .prepare('SELECT clinic_id, doctor_id, date, version FROM days')
    .all()
    .map(({ clinic_id, doctor_id, date, version }) => [nameOf(clinic_id, doctor_id, date), version])

/** Returns how many are left. */
async function replay(url, key, erasures) {
  let left = erasures.map(({ patient_id, erased_at }) => ({ patient_id, erased_at }))
  for (let tries = 0; left.length > 0 && tries < TRIES_MAX; tries += 1) {
    // Those that cannot be completed now come last.
    const [some, others] = [left.slice(0, AT_ONCE), left.slice(AT_ONCE)]
    const answer = await fetch(`${url}/api/v1/erasures/replay`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ erasures: some }),
    })
    if (!answer.ok) throw new Error(`a patient cannot be erased again: ${await answer.text()}`)
    const { erasures: told } = await answer.json()
    const isDone = new Set(told.filter(({ state }) => state === 'erased').map(({ patient_id }) => patient_id))
    if (isDone.size > 0) tries = -1
    left = [...others, ...some.filter(({ patient_id }) => !isDone.has(patient_id))]
    if (isDone.size === 0) await sleep(POLL_MS)
  }
  return left.length
}

/** By clinic, of those that the backup has: a key that only erases, and expires. */
function openDoors(stateDir, clinicIds, secret) {
  const now = Date.now()
  return writeLocal(stateDir, (database) => {
    const known = clinicIds.filter((id) => database.prepare('SELECT 1 FROM clinics WHERE id = ?').get(id))
    const keys = new Map(known.map((id) => [id, newKey(secret)]))
    const insert = database.prepare(`INSERT INTO api_keys
      (id, clinic_id, name, scopes, secret_hash, created_at, op_id, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
    for (const [clinicId, key] of keys) {
      const { id, secretHash } = partsOf(key)
      const scopes = JSON.stringify(['patients:erase'])
      insert.run(id, clinicId, 'npm run restore', scopes, secretHash, now, `restore:${id}`, now + KEY_MS)
    }
    return keys
  })
}

const closeDoors = (stateDir, keys) =>
  writeLocal(stateDir, (database) => {
    const revoke = database.prepare('UPDATE api_keys SET revoked_at = ? WHERE id = ?')
    for (const key of keys.values()) revoke.run(Date.now(), partsOf(key).id)
  })
