import { join } from 'node:path'
import { DEMO_CLINIC } from './database.mjs'
import { ROOT } from './root.mjs'

const SAMPLE = join(ROOT, 'scripts', 'hospitals-sample.csv')

/** What `npm start` prints last. Each line works on its own and can be run any number of times. */
export const lines = ({ url, key, demo }) => `
Doctorday runs at ${url}
  documentation  ${url}/docs and ${url}/redoc
  API key        ${key}
  clinic         ${DEMO_CLINIC.id} (${DEMO_CLINIC.timeZone})

Paste these into a shell:

${examples(callsOf(url, key), demo)
  .map(([what, line]) => `# ${what}\n${line}`)
  .join('\n')}

Stop with Ctrl-C.
`

function examples(calls, demo) {
  return [
    ['Is the service up?', calls.open('/health')],
    [
      'Register a patient',
      calls.post('/api/v1/patients', { name: 'Ada Lovelace', phone: '+1 202 555 0199' }),
    ],
    ['List the doctors', calls.get('/api/v1/doctors')],
    ...(demo ? dayExamples(calls, demo) : []),
    ['Store the result of a medical test', calls.post('/tests', MEDICAL_TEST, 'demo-test')],
    ['List the medical tests of a clinic', calls.get(`/tests?clinic_id=${DEMO_CLINIC.id}`)],
    ['Report an appointment of another system', calls.post('/webhook/appointments', EVENT, 'demo-event')],
    ['List the events from other systems', calls.get('/events?limit=10')],
    ['Import hospitals from a CSV file', calls.upload('/api/v1/hospitals/bulk', SAMPLE)],
    ['Follow the newest import', calls.get(`/api/v1/hospitals/status/${calls.newestImport()}`)],
    ['Search the hospitals', calls.get('/api/v1/hospitals?q=harbour')],
    ['The OpenAPI document', calls.open('/openapi.json')],
  ]
}

const MEDICAL_TEST = {
  test_id: 'T-1',
  patient_id: 'P-1',
  clinic_id: DEMO_CLINIC.id,
  test_type: 'haemoglobin',
  result: '13.9 g/dL',
}

const EVENT = {
  event_type: 'appointment.scheduled',
  appointment_id: 'A-1',
  patient_id: 'P-1',
  timestamp: '2026-01-10T12:30:00Z',
}

/** The last patient, who has no appointment, books; the patient of the first appointment checks in. */
function dayExamples(calls, { date, doctors, patients, appointments }) {
  const [doctor] = doctors
  const [{ id, patient_id }] = appointments
  const booking = { patient_id: patients.at(-1), doctor_id: doctor, date }
  const ofDoctor = `doctors/${doctor}`
  return [
    ['Book an appointment for today', calls.post('/api/v1/appointments', booking, `demo-book-${date}`)],
    ['List the day', calls.get(`/api/v1/appointments/${ofDoctor}/appointments?date=${date}`)],
    [
      'Check a patient in',
      calls.post('/api/v1/checkins', { appointment_id: id, patient_id }, `demo-arrive-${date}`),
    ],
    ['See the queue', calls.get(`/api/v1/checkins/${ofDoctor}/queue?date=${date}`)],
  ]
}

function callsOf(url, key) {
  const withKey = `curl -s -H 'Authorization: Bearer ${key}'`
  const once = (idempotencyKey) => (idempotencyKey ? ` -H 'Idempotency-Key: ${idempotencyKey}'` : '')
  return {
    open: (path) => `curl -s '${url}${path}'`,
    get: (path) => `${withKey} "${url}${path}"`,
    post: (path, body, idempotencyKey) =>
      `${withKey}${once(idempotencyKey)} '${url}${path}' -d ${quoted(JSON.stringify(body))}`,
    upload: (path, file) => `${withKey}${once('demo-import')} '${url}${path}' -F ${quoted(`file=@${file}`)}`,
    newestImport: () =>
      `$(curl -s -H 'Authorization: Bearer ${key}' '${url}/api/v1/hospitals/jobs?limit=1'` +
      ` | sed 's/.*"job_id":"\\([^"]*\\)".*/\\1/')`,
  }
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`
