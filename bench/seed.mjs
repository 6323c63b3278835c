import { sqlText } from '../scripts/database.mjs'
import { partsOf } from '../scripts/keys.mjs'
import { SCOPES } from '../scripts/scopes.mjs'
import { fill } from './database.mjs'

/** The measured clinic, and another one whose list of medical tests is exactly one full page. */
export const CLINIC = 'bench'
export const PAGE_CLINIC = 'page'
export const PAGE_ROWS = 1_000
export const pageTestId = (n) => `${PAGE_CLINIC}-${String(n).padStart(7, '0')}`

/** All patients; a day takes each of them once. */
export const PATIENTS = 20_000

/** Each of the many clinics has this many patients, and one doctor for the bookings in turn. */
export const PATIENTS_OF_CLINIC = 25
export const clinicId = (n) => `c${String(n).padStart(3, '0')}`

/** The doctors whose days are booked in turn; the many clinics have one each. */
export const TURN_DOCTORS = 200
export const turnDoctorId = (n, clinic = CLINIC) => `${clinic}-turn-${String(n).padStart(3, '0')}`

/** A zone where it is about noon: check-in is only for today, so the day must not end during the run. */
export const timeZone = () => {
  const ahead = 12 - new Date().getUTCHours()
  return ahead === 0 ? 'UTC' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`
}

export const today = () =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: timeZone(), dateStyle: 'short' }).format()

/** Doctors of each capacity that each run needs, and additional ones per second of load in each round. */
const DOCTORS = { 10: 3_000, 30: 1_000, 100: 500, 1000: 100 }
const DOCTORS_PER_SECOND = { 10: 3_000, 30: 700 }

/** The number of doctors of each capacity: a workload takes unused ones for each of its runs. */
export const doctorsFor = (secondsOfLoad) =>
  Object.fromEntries(
    Object.entries(DOCTORS).map(([capacity, count]) => [
      capacity,
      count + Math.ceil(secondsOfLoad * (DOCTORS_PER_SECOND[capacity] ?? 0)),
    ]),
  )

/** How many doctors with 30 slots each of the many clinics needs: each run takes one of them. */
export const clinicsFor = (count, rounds) => ({ count, doctors: 10 * (rounds + 1) })

/** The clinic, its key, patients, doctors, the page of medical tests; and many small clinics with their own. */
export function seed(stateDir, { key, doctors, keys, clinics }) {
  const now = Date.now()
  fill(
    stateDir,
    `${clinic(CLINIC, key, ['*', 'clinics:*'], now)}
     ${patients('p', PATIENTS, now)}
     ${Object.entries(doctors)
       .map(([capacity, count]) => doctorsOf(capacity, count, now))
       .join('\n')}
     ${turnDoctors(CLINIC, TURN_DOCTORS, now)}
     ${medicalTests(PAGE_CLINIC, PAGE_ROWS, now)}
     ${keys.map((each, n) => smallClinic(clinicId(n), each, clinics.doctors, now)).join('\n')}`,
  )
}

/** A full page of medical tests for each of the many clinics. The rows of a clinic are neighbours. */
export const seedPages = (stateDir, { count }) =>
  fill(
    stateDir,
    Array.from({ length: count }, (_, n) =>
      medicalTests(clinicId(n), PAGE_ROWS, Date.now(), clinicId(n)),
    ).join('\n'),
  )

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

const numbered = (count) =>
  `WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count - 1})`

function clinic(id, key, scopes, now) {
  const { id: keyId, secretHash } = partsOf(key)
  return `
  INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
  VALUES ('${id}', 'Clinic ${id}', '${timeZone()}', 'US', ${now}, '${id}');
  INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
  VALUES (${sqlText(keyId)}, '${id}', 'bench', '${JSON.stringify(scopes)}', ${sqlText(secretHash)}, ${now}, NULL,
    'key of ${id}');`
}

const smallClinic = (id, key, doctors, now) => `
  ${clinic(id, key, SCOPES, now)}
  ${patients(`${id}-p`, PATIENTS_OF_CLINIC, now, id)}
  ${turnDoctors(id, 1, now)}
  ${doctorsOf(30, doctors, now, id)}`

const patients = (prefix, count, now, owner = CLINIC) => `
  ${numbered(count)} INSERT INTO patients (id, clinic_id, name, name_folded, phone, phone_owner, created_at, op_id)
  SELECT printf('${prefix}-%07d', n), '${owner}', 'Patient ' || n, 'patient ' || n, printf('${prefix}+1%010d', n),
    printf('${prefix}+1%010d', n), ${now}, printf('${prefix}-%07d', n) FROM numbers;`

/** The ids of the measured clinic's doctors begin with their capacity. */
const doctorsOf = (capacity, count, now, owner = CLINIC) =>
  doctorsNamed(
    owner === CLINIC ? `d${capacity}-%06d` : `${owner}-d${capacity}-%06d`,
    count,
    capacity,
    now,
    owner,
  )

const turnDoctors = (owner, count, now) => doctorsNamed(`${owner}-turn-%03d`, count, 10, now, owner)

const doctorsNamed = (form, count, capacity, now, owner) => `
  ${numbered(count)} INSERT INTO doctors (id, clinic_id, name, code, capacity, created_at, op_id)
  SELECT printf('${form}', n), '${owner}', 'Doctor ' || n, printf('${form}', n), ${capacity}, ${now},
    printf('${form}', n) FROM numbers;`

const medicalTests = (clinic, count, now, owner = CLINIC) => `
  ${numbered(count)} INSERT INTO medical_tests (owner_id, test_id, clinic_id, op_id, record)
  SELECT '${owner}', printf('${clinic}-%07d', n), '${clinic}', printf('0190d1c4-0000-7000-8000-%012d', n),
    json_object('test_id', printf('${clinic}-%07d', n), 'patient_id', 'P-' || n, 'clinic_id', '${clinic}',
      'test_type', 'haemoglobin', 'result', '13.9 g/dL', 'created_at', '${new Date(now).toISOString()}')
  FROM numbers;`

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
