// `npm run admin-key`: creates the first clinic of a deployment, and a key that may create all others.
import { readOptions } from './command-line.mjs'
import {
  appliedMigrations,
  deployedRows,
  executeDeployed,
  executeLocally,
  localRows,
  migrate,
  STATE_DIR,
  sqlText,
} from './database.mjs'
import { newKey, partsOf } from './keys.mjs'
import { keepPrivate } from './private.mjs'
import { fail, ready } from './ready.mjs'
import { SCOPES } from './scopes.mjs'
import { secretOf } from './secret.mjs'

const USAGE = `npm run admin-key -- --clinic ID --name NAME --time-zone ZONE [--country CC] [--remote]

  --clinic     1 to 64 letters, digits, dots, dashes or underscores
  --name       the name that people read, up to 200 characters
  --time-zone  a name of the IANA database, like America/New_York
  --country    two capital letters, default US: the country of phone numbers without a country code
  --remote     use the deployed database instead of the local one in STATE_DIR; set DOCTORDAY_SECRET to the
               secret of the deployment, which signs the key`

const OPTIONS = {
  clinic: { type: 'string' },
  name: { type: 'string' },
  'time-zone': { type: 'string' },
  country: { type: 'string', default: 'US' },
  remote: { type: 'boolean', default: false },
}

const NAME_CHARACTERS_MAX = 200

/** The rules of src/access/model.ts, for the first clinic, which no API call can create. */
const RULES = {
  clinic: (text) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text),
  name: (text) =>
    /[^\s\p{Default_Ignorable_Code_Point}]/u.test(text) &&
    !/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(text) &&
    [...text].length <= NAME_CHARACTERS_MAX,
  'time-zone': (text) => /^[A-Za-z]/.test(text) && isTimeZone(text),
  country: (text) => /^[A-Z]{2}$/.test(text),
}

function isTimeZone(text) {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}

async function adminKey() {
  const wanted = wantedOf()
  if (wanted.remote && !process.env.DOCTORDAY_SECRET)
    fail('Set DOCTORDAY_SECRET to the secret of the deployment: it signs the key.')
  ready()
  await requireCountry(wanted.country)
  if (!wanted.remote) await prepareLocal()
  const kept = await existing(wanted)
  const key = newKey(wanted.remote ? process.env.DOCTORDAY_SECRET : secretOf(STATE_DIR))
  await (wanted.remote
    ? executeDeployed(statements(wanted, key))
    : executeLocally(statements(wanted, key), STATE_DIR))
  if (kept)
    console.log(`The clinic ${wanted.clinic} exists. Its name, time zone and country stay as they are:
${kept.name}, ${kept.time_zone}, ${kept.country}.`)
  const database = wanted.remote ? 'the deployed database' : STATE_DIR
  console.log(
    `The admin key of clinic ${wanted.clinic} in ${database}. Store it now; it is not shown again:\n\n${key}\n`,
  )
}

/** The package is imported here and not above: if packages are missing, `ready` has said what to do. */
async function requireCountry(code) {
  const { isSupportedCountry } = await import('libphonenumber-js/min')
  if (!isSupportedCountry(code))
    fail(`--country must be a country of ISO 3166 that has phone numbers, like US or GB.\n\n${USAGE}`)
}

function wantedOf() {
  const wanted = readOptions(USAGE, OPTIONS)
  for (const [option, isRight] of Object.entries(RULES))
    if (wanted[option] === undefined || !isRight(wanted[option]))
      fail(`--${option} is ${wanted[option] === undefined ? 'missing' : 'not valid'}.\n\n${USAGE}`)
  return wanted
}

/** Says so if the state is new: a service that runs on another folder will refuse the key. */
async function prepareLocal() {
  const isNew = (await appliedMigrations(STATE_DIR)).length === 0
  keepPrivate(STATE_DIR)
  await migrate(STATE_DIR)
  if (isNew)
    console.log(
      `${STATE_DIR} held no state, so a new one was made there. A service on another folder refuses this key.`,
    )
}

/** The clinic as it is, or undefined. */
async function existing({ clinic, remote }) {
  // The id has no character that SQL or a shell would read.
  const query = `SELECT name, time_zone, country FROM clinics WHERE id = '${clinic}'`
  const [found] = await (remote ? deployedRows(query) : localRows(STATE_DIR, query))
  return found
}

/** An existing clinic keeps its name and zone and gets one more key, so that a lost key can be replaced. */
function statements({ clinic, name, 'time-zone': timeZone, country }, key) {
  const { id, secretHash } = partsOf(key)
  const now = Date.now()
  const audit = (action, subject) =>
    `INSERT INTO audit (clinic_id, at, key_id, action, subject, request_id)
     SELECT ${sqlText(clinic)}, ${now}, ${sqlText(id)}, '${action}', ${sqlText(subject)}, 'npm run admin-key'
     WHERE changes() > 0;`
  return `
    INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
    VALUES (${[clinic, name.trim(), timeZone, country].map(sqlText)}, ${now}, ${sqlText(`admin-key:${id}`)})
    ON CONFLICT (id) DO NOTHING;
    ${audit('clinic.opened', clinic)}
    INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
    VALUES (${[id, clinic, 'admin', JSON.stringify(SCOPES), secretHash].map(sqlText)}, ${now}, NULL,
      ${sqlText(`admin-key:${id}`)});
    ${audit('key.created', id)}
  `
}

await adminKey().catch((error) => fail(error.message))
