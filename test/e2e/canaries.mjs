// Patients of whom everything that a caller can say is a word that stands nowhere else.
import assert from 'node:assert/strict'
import { today } from '../../scripts/demo.mjs'
import { eventually } from './service.mjs'

const IMPORTED_WITHIN_MS = 20_000
const DAY_MS = 86_400_000

/** Says all of it through every route that takes words of a patient. Returns the words, in lower case. */
export async function tellAll(service) {
  const teller = tellerOf(service)
  const { call, post } = teller
  const doctor = (await post('/api/v1/doctors', { name: 'Dr X', code: 'X-1', capacity: 30 })).id
  const { id: first, mrn } = await tellOfOne(teller)
  const [second, third] = await tellInFiles(teller)
  const dates = await tellOfVisits(teller, doctor, [first, second, third])
  await tellFromElsewhere(teller, mrn, first)
  const days = dates.map((date) => `/api/v1/doctors/${doctor}/days/${date}`)
  return { told: teller.told, patients: [first, second, third], days, call }
}

function tellerOf(service) {
  const told = []
  let keys = 0
  const remember = (what, word) => {
    told.push({ what, word: word.toLowerCase() })
    return word
  }
  const number = () => String(told.length + 1).padStart(2, '0')
  const call = async (method, path, body, headers = {}) => {
    const answer = await fetch(`${service.url()}${path}`, {
      method,
      headers: { Authorization: `Bearer ${service.key}`, ...headers },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    })
    const text = await answer.text()
    const isJson = answer.headers.get('Content-Type')?.includes('json')
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    }
  }
  const send = async (method, path, body, headers = {}, statuses = [200, 201, 202]) => {
    keys += 1
    const type = typeof body === 'object' ? { 'Content-Type': 'application/json' } : {}
    const answer = await call(method, path, body, { ...type, 'Idempotency-Key': `key-${keys}`, ...headers })
    assert.ok(statuses.includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }
  return {
    told,
    call,
    send,
    post: (path, body, ...statuses) =>
      send('POST', path, body, {}, statuses.length > 0 ? statuses : undefined),
    word: (what) => remember(what, `Kq${number()}wv`),
    phone: (what) => `+1${remember(what, `20255501${number()}`)}`,
    remember,
  }
}

/** One patient, registered, known already, refused, mended, searched. */
async function tellOfOne({ call, send, post, word, phone, remember }) {
  const person = {
    name: `Greta ${word('name')}`,
    phone: phone('phone'),
    email: `${word('email')}@example.com`,
    gender: word('gender'),
    birth_date: remember('birth date', '1931-02-07'),
    language: `sv-x-${word('language')}`,
    notes: `${word('notes')} likes the window`,
    identifiers: ['mrn', 'insurer'].map((system) => ({ system, value: word(system) })),
  }
  const { id } = await post('/api/v1/patients', person, 201)
  const known = {
    email: `${word('known email')}@example.com`,
    notes: word('known notes'),
    gender: word('known'),
  }
  await post('/api/v1/patients', { ...person, ...known }, 200)
  await post('/api/v1/patients', { ...person, name: word('refused name'), identifiers: [] }, 409)
  await post('/api/v1/patients', { ...person, phone: word('refused phone') }, 400)
  const mrn = person.identifiers[0].value
  const mended = {
    name: `Greta ${word('new name')} Longer`,
    phone: phone('new phone'),
    email: `${word('new email')}@example.com`,
    gender: word('new gender'),
    language: `da-x-${word('new language')}`,
    notes: `${word('new notes')} likes the door\nand has much more to say`,
    identifiers: [
      { system: 'mrn', value: mrn },
      { system: 'insurer', value: word('new insurer') },
    ],
  }
  const { headers } = await call('GET', `/api/v1/patients/${id}`)
  await send('PATCH', `/api/v1/patients/${id}`, mended, { 'If-Match': headers.get('ETag') })
  for (const query of [`q=${mended.name}`, `phone=${mended.phone.slice(1)}`, `identifier=${mrn}`])
    await call('GET', `/api/v1/patients?${encodeURI(query)}`)
  await post('/api/v1/patients/search', { q: word('searched') })
  return { id, mrn }
}

const COLUMNS = ['name', 'phone', 'age', 'gender', 'email', 'language', 'notes']

/** Two patients of files, with rows that repeat them, contradict them and break rules. Others stand around. */
async function tellInFiles(teller) {
  const { post, word, phone } = teller
  const row = (what) => ({
    name: `${word(`${what} name`)} Bosse`,
    phone: phone(`${what} phone`),
    age: 44,
    gender: word(`${what} gender`),
    email: `${word(`${what} email`)}@example.com`,
    language: `fi-x-${word(`${what} language`)}`,
    notes: `${word(`${what} notes`)} hears badly`,
  })
  const others = Array.from({ length: 60 }, (_, n) => ({
    ...{ name: `Other ${n} Person`, phone: `+1202456${1_000 + n}`, age: 30, gender: 'female' },
    ...{ email: `other${n}@example.com`, language: 'en', notes: 'Nothing to say' },
  }))
  const csvOf = (rows) => [COLUMNS, ...rows.map((one) => COLUMNS.map((name) => one[name]))].join('\n')
  const [one, other] = [row('csv'), row('ndjson')]
  const spoilt = { ...one, age: 1_000, notes: word('csv bad notes'), email: word('csv bad email') }
  const repeated = { ...one, notes: word('csv repeated notes'), gender: word('csv repeated gender') }
  const csv = csvOf([...others.slice(0, 30), one, repeated, spoilt, ...others.slice(30)])
  await upload(teller, '/api/v1/patients/bulk?mode=partial', 'text/csv', csv)
  const again = csvOf([{ ...one, notes: word('csv known notes') }])
  await upload(teller, '/api/v1/patients/bulk?mode=partial', 'text/csv', again)
  const lines = [...others, other].map((each) => JSON.stringify(each)).join('\n')
  await upload(teller, '/api/v1/patients/bulk?mode=partial', 'application/x-ndjson', lines)
  const refused = csvOf([{ ...other, age: 999, notes: word('refused notes') }])
  await teller.send('POST', '/api/v1/patients/bulk', refused, { 'Content-Type': 'text/csv' }, [400, 422])
  const found = await Promise.all(
    [one, other].map((each) => post('/api/v1/patients/search', { phone: each.phone })),
  )
  return found.map(([patient]) => patient.id)
}

async function upload({ call, send }, path, type, text) {
  const { job_id } = await send('POST', path, text, { 'Content-Type': type })
  const status = () => call('GET', `${path.split('?')[0]}/${job_id}`)
  await eventually(status, ({ body }) => body.status === 'completed', IMPORTED_WITHIN_MS, 'the import')
}

/** Booked, held, mended, moved, cancelled, walked in, struck by an absence. Returns the dates. */
async function tellOfVisits({ send, post, word }, doctor, [first, second, third]) {
  const [soon, later, away] = [3, 5, 7].map((days) =>
    new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10),
  )
  const book = (patient_id, date, what) =>
    post('/api/v1/appointments', {
      ...{ patient_id, doctor_id: doctor, date, allow_another: true },
      ...{ reason: `${word(`${what} reason`)} hurts`, notes: word(`${what} notes`) },
    })
  const mended = await book(first, soon, 'booked')
  const texts = { reason: word('mended reason'), notes: word('mended notes') }
  await send('PATCH', `/api/v1/appointments/${mended.id}`, texts)
  await send('PATCH', `/api/v1/appointments/${mended.id}`, { reason: word('last reason') })
  const moved = await book(second, soon, 'moved')
  await post(`/api/v1/appointments/${moved.id}/reschedule`, { date: later })
  const cancelled = await book(third, later, 'cancelled')
  await post(`/api/v1/appointments/${cancelled.id}/cancel`, { reason: word('cancel reason') })
  const hold = await post('/api/v1/appointments/holds', { doctor_id: doctor, date: later, ttl_seconds: 60 })
  const held = { reason: word('held reason'), notes: word('held notes') }
  await post('/api/v1/appointments', { patient_id: third, hold_id: hold.hold_id, ...held })
  await book(first, away, 'relieved')
  const absence = { reason: 'Conference', move_to: { date: later } }
  await post(`/api/v1/doctors/${doctor}/days/${away}/absence`, absence)
  const walkedIn = { patient_id: second, doctor_id: doctor, reason: word('walk-in reason') }
  const { appointment_id } = await post('/api/v1/checkins/walk-in', walkedIn)
  await post(`/api/v1/checkins/doctors/${doctor}/queue/next`, { room: '1' })
  await post(`/api/v1/checkins/${appointment_id}/serve`, {})
  return [today(), soon, later, away]
}

/** What a lab and another system send, which call the patient by an identifier or by the id. */
async function tellFromElsewhere(teller, mrn, id) {
  const { post, word } = teller
  const test = (test_id, patient_id, what) => ({
    ...{ test_id, patient_id, clinic_id: 'demo', test_type: 'blood', result: `${word(what)} high` },
  })
  await post('/tests', test('t1', mrn, 'test result'))
  await post('/tests', test('t2', id, 'result by id'))
  await post('/tests', test('t1', mrn, 'refused result'), 409)
  const [csv, line] = [test('t3', mrn, 'csv result'), test('t4', mrn.toLowerCase(), 'ndjson result')]
  const text = `${Object.keys(csv).join()}\n${Object.values(csv).join()}`
  await upload(teller, '/api/v1/tests/bulk', 'text/csv', text)
  await upload(teller, '/api/v1/tests/bulk', 'application/x-ndjson', JSON.stringify(line))
  const event = { event_type: 'scheduled', appointment_id: 'ext-1', timestamp: new Date().toISOString() }
  await post('/webhook/appointments', { ...event, patient_id: mrn, notes: word('event notes') })
}
