// Erases again, in a state that a backup has restored, who was erased after the backup. Needs the packaged Node.
import { migrate } from '../database.mjs'
import { forgetErased } from '../erased.mjs'
import { newKey, partsOf } from '../keys.mjs'
import { writeLocal } from '../local-database.mjs'
import { freePort } from '../port.mjs'
import { builtServer } from '../server/built.mjs'
import { serveWorker } from '../worker.mjs'

/** As many as a request takes. */
const AT_ONCE = 100

/** A patient of many visits needs several requests. */
const TRIES_MAX = 100

const KEY_MS = 3_600_000

/**
 * The service itself erases, before anybody else can ask it: it is served to this process alone, on a port of this
 * machine. Returns how many it has erased.
 */
export async function replayErasures(stateDir, erasures, secret) {
  if (erasures.length === 0) return 0
  await migrate(stateDir)
  const keys = openDoors(stateDir, [...new Set(erasures.map(({ clinic_id }) => clinic_id))], secret)
  const build = await builtServer()
  const worker = serveWorker({
    port: await freePort(),
    stateDir,
    build,
    settings: { DOCTORDAY_SECRET: secret },
  })
  try {
    await worker.answers()
    for (const [clinicId, key] of keys)
      await replay(
        worker.url,
        key,
        erasures.filter(({ clinic_id }) => clinic_id === clinicId),
      )
  } finally {
    await worker.stop()
    closeDoors(stateDir, keys)
  }
  forgetErased(stateDir, { isForced: true })
  return erasures.length
}

async function replay(url, key, erasures) {
  let left = erasures.map(({ patient_id, erased_at }) => ({ patient_id, erased_at }))
  for (let tries = 0; left.length > 0 && tries < TRIES_MAX; tries += 1) {
    const some = left.slice(0, AT_ONCE)
    const answer = await fetch(`${url}/api/v1/erasures/replay`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ erasures: some }),
    })
    if (!answer.ok) throw new Error(`a patient cannot be erased again: ${await answer.text()}`)
    const { erasures: told } = await answer.json()
    const isDone = new Set(told.filter(({ state }) => state === 'erased').map(({ patient_id }) => patient_id))
    if (isDone.size > 0) tries = 0
    left = left.filter(({ patient_id }) => !isDone.has(patient_id))
  }
  if (left.length > 0) throw new Error(`${left.length} patients cannot be erased again`)
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
