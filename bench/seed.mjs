import { sqlText } from '../scripts/database.mjs'
import { partsOf } from '../scripts/keys.mjs'
import { fill } from './database.mjs'

/** The measured clinic, and another one whose list of medical tests is exactly one full page. */
export const CLINIC = 'bench'
export const PAGE_CLINIC = 'page'
export const PAGE_ROWS = 1_000
export const pageTestId = (n) => `${PAGE_CLINIC}-${String(n).padStart(7, '0')}`

/** All patients; a day takes each of them once. */
export const PATIENTS = 20_000

/** A zone where it is about noon: check-in is only for today, so the day must not end during the run. */
export const timeZone = () => {
  const ahead = 12 - new Date().getUTCHours()
  return ahead === 0 ? 'UTC' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`
}

export const today = () =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: timeZone(), dateStyle: 'short' }).format()

/** Doctors of each capacity that each run needs, and additional ones per second of load in each round. */
const DOCTORS = { 10: 3_000, 30: 300, 100: 500, 1000: 100 }
const DOCTORS_PER_SECOND = { 10: 3_000, 30: 700 }

/** The number of doctors of each capacity: a workload takes unused ones for each of its runs. */
export const doctorsFor = (secondsOfLoad) =>
  Object.fromEntries(
    Object.entries(DOCTORS).map(([capacity, count]) => [
      capacity,
      count + Math.ceil(secondsOfLoad * (DOCTORS_PER_SECOND[capacity] ?? 0)),
    ]),
  )

const numbered = (count) =>
  `WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count - 1})`

/** The clinic, its key, patients, doctors, and the page of medical tests. */
export function seed(stateDir, key, doctors) {
  const { id, secretHash } = partsOf(key)
  const now = Date.now()
  fill(
    stateDir,
    `INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
       VALUES ('${CLINIC}', 'Bench', '${timeZone()}', 'US', ${now}, 'bench');
     INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
       VALUES (${sqlText(id)}, '${CLINIC}', 'bench', '["*","clinics:*"]', ${sqlText(secretHash)}, ${now}, NULL, 'bench');
     ${patients('p', PATIENTS, now)}
     ${Object.entries(doctors)
       .map(([capacity, count]) => doctorsOf(capacity, count, now))
       .join('\n')}
     ${medicalTests(PAGE_CLINIC, PAGE_ROWS, now)}`,
  )
}

/** Rows that no request asks for, in each table that a measured request uses. */
export function seedOthers(stateDir, count) {
  const now = Date.now()
  fill(
    stateDir,
    `${medicalTests(CLINIC, count, now)}
     ${patients('other', count, now)}
     ${appointments(count, now)}
     ${idempotencyKeys(count, now)}`,
  )
}

export const seedBareRecords = (stateDir) =>
  fill(
    stateDir,
    `CREATE TABLE bare_records (seq INTEGER PRIMARY KEY AUTOINCREMENT, owner_id TEXT NOT NULL, test_id TEXT NOT NULL,
       clinic_id TEXT NOT NULL, patient_id TEXT NOT NULL, test_type TEXT NOT NULL, result TEXT NOT NULL,
       created_at INTEGER NOT NULL, op_id TEXT NOT NULL);`,
  )

const patients = (prefix, count, now) => `
  ${numbered(count)} INSERT INTO patients (id, clinic_id, name, name_folded, phone, phone_owner, created_at, op_id)
  SELECT printf('${prefix}-%07d', n), '${CLINIC}', 'Patient ' || n, 'patient ' || n, printf('${prefix}+1%010d', n),
    printf('${prefix}+1%010d', n), ${now}, printf('${prefix}-%07d', n) FROM numbers;`

const doctorsOf = (capacity, count, now) => `
  ${numbered(count)} INSERT INTO doctors (id, clinic_id, name, code, capacity, created_at, op_id)
  SELECT printf('d${capacity}-%06d', n), '${CLINIC}', 'Doctor ' || n, printf('D${capacity}-%06d', n), ${capacity},
    ${now}, printf('d${capacity}-%06d', n) FROM numbers;`

const medicalTests = (clinic, count, now) => `
  ${numbered(count)} INSERT INTO medical_tests
    (owner_id, test_id, clinic_id, patient_id, test_type, result, created_at, op_id)
  SELECT '${CLINIC}', printf('${clinic}-%07d', n), '${clinic}', 'P-' || n, 'haemoglobin', '13.9 g/dL',
    ${now}, printf('0190d1c4-0000-7000-8000-%012d', n) FROM numbers;`

const appointments = (count, now) => `
  ${numbered(count)} INSERT INTO appointments
    (id, clinic_id, doctor_id, patient_id, date, slot, status, created_at, updated_at, version, moves)
  SELECT printf('00000000-0000-8000-8000-%012d', n), '${CLINIC}', printf('other-%06d', n / 1000),
    printf('other-%07d', n), '2020-01-01', n % 1000, 'booked', ${now}, ${now}, 1, 0 FROM numbers;`

const idempotencyKeys = (count, now) => `
  ${numbered(count)} INSERT INTO idempotency_keys
    (clinic_id, key, fingerprint, op_id, request_id, created_at, expires_at)
  SELECT '${CLINIC}', printf('other-%07d', n), hex(zeroblob(32)), printf('0190d1c4-0000-7000-8000-%012d', n),
    'bench', ${now}, ${now + 86_400_000} FROM numbers;`
