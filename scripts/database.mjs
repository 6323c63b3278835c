import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { partsOf } from './keys.mjs'
import { fail } from './ready.mjs'
import { ROOT } from './root.mjs'
import { SCOPES } from './scopes.mjs'
import { runWrangler, spawnNode } from './wrangler.mjs'

export const DEMO_CLINIC = { id: 'demo', name: 'Demo Clinic', timeZone: 'America/New_York', country: 'US' }

/** The folder of the local databases of D1, KV and the objects. */
export const STATE_DIR = resolve(ROOT, process.env.STATE_DIR || '.wrangler/state')

/** The exit code of lock.mjs, which this file cannot import: the installed Node may be too old for it. */
const IN_USE = 2

/** Text as SQL, in hexadecimal: nothing in it needs escaping when wrangler splits or D1 parses the file. */
export const sqlText = (text) => `CAST(x'${Buffer.from(text).toString('hex')}' AS TEXT)`

/** Ends the command if another service runs on the state folder: two would each give the same slot. */
export async function requireUnused(stateDir, command) {
  // Asking makes the file. Without it no service runs there, and a start that is refused leaves no folder behind.
  if (!existsSync(join(stateDir, 'lock.sqlite'))) return
  // The service itself reports any other failure, when it takes the lock.
  const { code, printed } = await ranScript('lock.mjs', [stateDir])
  const which = printed.trim() && ` (process ${printed.trim()})`
  if (code === IN_USE)
    fail(
      `A service runs on ${stateDir} already${which}. Stop it first, or choose another folder: STATE_DIR=PATH ${command}`,
    )
}

/** Brings a local state up to date: the schema, the demo clinic and the key that opens it. */
export async function prepare(stateDir, key) {
  await migrate(stateDir)
  await executeLocally(demoClinic(key), stateDir)
}

/** Applies the migrations that a local state lacks. */
export async function migrate(stateDir) {
  // A database that is made now would take the place of the one that was about to be put back.
  if (existsSync(join(stateDir, 'restoring')))
    throw new Error(`A restore of ${stateDir} was interrupted. Call npm run restore again.`)
  if (!(await lacksMigrations(stateDir))) return
  const { code, complained } = await ranScript('migrate.mjs', [stateDir])
  if (code !== 0) throw new Error(`The database in ${stateDir} cannot be migrated:\n${complained}`)
}

/** Whether a local state lacks a migration. wrangler would take seconds to say that it lacks none. */
export async function lacksMigrations(stateDir) {
  const wanted = readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql'))
  const applied = new Set(await appliedMigrations(stateDir))
  return wanted.length === 0 || !wanted.every((name) => applied.has(name))
}

/** None where the folder holds no state yet. */
export const appliedMigrations = async (stateDir) =>
  (await localRows(stateDir, 'SELECT name FROM d1_migrations')).map(({ name }) => name)

/** The rows of a query on a local state; none where the table does not exist. The service may run. */
export async function localRows(stateDir, query) {
  const { code, printed } = await ranScript('local-rows.mjs', [stateDir, query])
  if (code !== 0) throw new Error(`The database in ${stateDir} cannot be read`)
  return JSON.parse(printed)
}

/** The rows of a query on the deployed database. */
export async function deployedRows(query) {
  const printed = await runWrangler(['d1', 'execute', 'DB', '--remote', '--json', '--command', query])
  return JSON.parse(printed)[0].results
}

/** Runs a script of this folder that needs the packaged Node. */
async function ranScript(name, args, input = '') {
  const script = spawnNode([join(ROOT, 'scripts', name), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  // A script that does not read its input may have ended.
  script.stdin.on('error', () => {})
  script.stdin.end(input)
  let [printed, complained] = ['', '']
  script.stdout.on('data', (piece) => {
    printed += piece
  })
  script.stderr.on('data', (piece) => {
    complained += piece
  })
  const [code] = await once(script, 'close')
  return { code, printed, complained }
}

/** Runs statements on a local state, all or none. The service may run. */
export async function executeLocally(sql, stateDir) {
  const { code, complained } = await ranScript('local-execute.mjs', [stateDir], sql)
  if (code !== 0) throw new Error(`The database in ${stateDir} cannot be written:\n${complained}`)
}

/** Runs statements on the deployed database, from a file: every user of the machine can read a command line. */
export async function executeDeployed(sql) {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-'))
  try {
    const file = join(folder, 'statements.sql')
    writeFileSync(file, sql, { mode: 0o600 })
    return await runWrangler(['d1', 'execute', 'DB', '--remote', '--yes', '--file', file])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Upserts, because .dev.vars and the state can be deleted independently of each other. */
function demoClinic(key) {
  const { id, secretHash } = partsOf(key)
  const clinic = [DEMO_CLINIC.id, DEMO_CLINIC.name, DEMO_CLINIC.timeZone, DEMO_CLINIC.country].map(sqlText)
  const apiKey = [id, DEMO_CLINIC.id, 'npm start', JSON.stringify(SCOPES), secretHash].map(sqlText)
  return `
    INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
    VALUES (${clinic}, ${Date.now()}, ${sqlText('demo')})
    ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, time_zone = excluded.time_zone, country = excluded.country;
    INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
    VALUES (${apiKey}, ${Date.now()}, NULL, ${sqlText(`demo:${id}`)})
    ON CONFLICT (id) DO UPDATE SET
      scopes = excluded.scopes, secret_hash = excluded.secret_hash, revoked_at = NULL;
  `
}
