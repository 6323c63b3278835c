import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEMO_CLINIC } from './database.mjs'

/** Half of a day's ten slots. */
const BOOKED_PER_DOCTOR = 5

const DOCTORS = [
  { code: 'DEMO-1', name: 'Dr Ines Okafor', specialty: 'General practice' },
  { code: 'DEMO-2', name: 'Dr Tomas Lindqvist', specialty: 'Cardiology' },
  { code: 'DEMO-3', name: 'Dr Mei Tanaka', specialty: 'Paediatrics' },
]

const NAMES = [
  ...[
    'Amara Bello',
    'Bruno Costa',
    'Chiara Romano',
    'Dev Malhotra',
    'Elif Kaya',
    'Farid Haddad',
    'Greta Nilsen',
  ],
  ...['Hugo Marchand', 'Iris Vega', 'Jonas Weber', 'Keiko Mori', 'Liam Doyle', 'Maya Cohen', 'Noor Rahman'],
  ...['Olga Petrova', 'Pablo Ruiz', 'Quinn Harper', 'Rosa Jimenez', 'Samuel Osei', 'Tara Singh'],
]

/** Numbers that are reserved for fiction. */
const PATIENTS = NAMES.map((name, index) => ({
  name,
  phone: `+1 202 555 01${String(index).padStart(2, '0')}`,
  age: 20 + 3 * index,
}))

/** Today in the clinic's time zone, the only date on which a patient may check in. */
export const today = () =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: DEMO_CLINIC.timeZone, dateStyle: 'short' }).format()

/**
 * Fills a state through the API: doctors and patients once, bookings once on each day. Every call may be
 * repeated, so a start after a crash continues where the last start stopped.
 */
export async function loadDemo({ url, key, stateDir }) {
  const marker = join(stateDir, 'demo.json')
  const call = caller(url, key)
  const date = today()
  const known = readMarker(marker)
  if (known?.date === date && (await stillThere(call, known))) return known
  console.log('Loading the demo data …')
  const doctors = await addDoctors(call)
  const patients = []
  for (const patient of PATIENTS) patients.push(await post(call, '/api/v1/patients', patient))
  const appointments = await bookHalfTheDay(call, date, doctors, patients)
  const demo = { date, doctors: idsOf(doctors), patients: idsOf(patients), appointments }
  writeFileSync(marker, JSON.stringify(demo))
  return demo
}

const idsOf = (rows) => rows.map(({ id }) => id)

function readMarker(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

/** The marker may be left over from a deleted database. */
const stillThere = async (call, { appointments }) =>
  (await call('GET', `/api/v1/appointments/${appointments.at(-1)?.id}`)).status === 200

/** A doctor's code is unique, so it finds the doctors that an earlier start added. */
async function addDoctors(call) {
  const listed = await call('GET', '/api/v1/doctors')
  if (listed.status !== 200) throw refused('GET /api/v1/doctors', listed)
  const doctors = []
  for (const doctor of DOCTORS)
    doctors.push(
      listed.body.find(({ code }) => code === doctor.code) ??
        (await post(call, '/api/v1/doctors', doctor, `demo:doctor:${doctor.code}`)),
    )
  return doctors
}

async function bookHalfTheDay(call, date, doctors, patients) {
  const appointments = []
  for (const [d, doctor] of doctors.entries())
    for (let n = 0; n < BOOKED_PER_DOCTOR; n++) {
      const wanted = { patient_id: patients[d * BOOKED_PER_DOCTOR + n].id, doctor_id: doctor.id, date }
      const key = `demo:appointment:${date}:${DOCTORS[d].code}:${n}`
      appointments.push({ ...wanted, id: (await post(call, '/api/v1/appointments', wanted, key)).id })
    }
  return appointments
}

const caller = (url, key) => async (method, path, body, idempotencyKey) => {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${key}`,
      ...(body && { 'Content-Type': 'application/json' }),
      ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
    },
    body: body && JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}

async function post(call, path, body, idempotencyKey = `demo:${path}:${body.phone}`) {
  const reply = await call('POST', path, body, idempotencyKey.replaceAll(' ', ''))
  if (reply.status !== 200 && reply.status !== 201) throw refused(`POST ${path}`, reply)
  return reply.body
}

const refused = (what, { status, body }) => new Error(`${what} answered ${status} ${body.message ?? ''}`)
