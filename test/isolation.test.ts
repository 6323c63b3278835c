import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { bodyOf, operations } from './conformity'

afterEach(() => {
  vi.useRealTimers()
})

/** One of everything that has an id. */
async function furnish(desk: FrontDesk): Promise<Record<string, string>> {
  const { body: appointment } = await desk.book({ date: DAY })
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  await desk.post('/api/v1/checkins', { appointment_id: appointment.id, patient_id: appointment.patient_id })
  const form = new FormData()
  form.set('file', new File(['name,address\nNorth,1 Main St\n'], 'h.csv'))
  const imported = await desk.send('POST', '/api/v1/hospitals/bulk', form, { 'Idempotency-Key': 'k' })
  const jobs = await desk.get('/api/v1/hospitals/jobs')
  const importedPatients = await desk.send('POST', '/api/v1/patients/bulk', 'name,phone\nA,2025557777\n', {
    'Idempotency-Key': 'patients',
    'Content-Type': 'text/csv',
  })
  const test = { test_id: 't', patient_id: 'p', clinic_id: desk.clinicId, test_type: 'x', result: 'r' }
  const importedTests = await desk.send('POST', '/api/v1/tests/bulk', JSON.stringify(test), {
    'Idempotency-Key': 'tests',
    'Content-Type': 'application/x-ndjson',
  })
  const place = { doctor_id: desk.doctorId, date: DAY }
  const hold = await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 600 })
  const { body: other } = await desk.post('/api/v1/patients', { name: 'Other', phone: '+1 202 555 8888' })
  const waiting = await desk.post('/api/v1/appointments/waitlist', { ...place, patient_id: other.id })
  const dates = ['2040-05-01', '2040-05-02']
  const anyDay = { doctor_id: desk.doctorId, patient_id: other.id, dates }
  const wish = await desk.post('/api/v1/appointments/waitlist', anyDay)
  const { body: person } = await desk.post('/api/v1/staff', { name: 'Ada', role: 'nurse' })
  const key = { clinic_id: desk.clinicId, name: 'k', scopes: ['events:read'] }
  const { body: service } = await desk.post('/api/v1/services', { name: 'Echo', slots: 2 })
  const week = { from: '2040-05-07', to: '2040-05-11', reason: 'away' }
  const leave = await desk.post(`/api/v1/doctors/${desk.doctorId}/leave`, week)
  const closing = await desk.post('/api/v1/closings', week)
  return {
    leave_id: leave.body.leave_id,
    closing_id: closing.body.closing_id,
    service_id: service.id,
    staff_id: person.id,
    key_id: (await desk.post('/api/v1/keys', key)).body.id,
    hold_id: hold.body.hold_id,
    wait_id: waiting.body.id,
    wish_id: wish.body.wish_id,
    clinic_id: desk.clinicId,
    patient_id: desk.patientIds[0] ?? '',
    other_patient_id: other.id,
    doctor_id: desk.doctorId,
    appointment_id: appointment.id,
    job_id: imported.body.job_id,
    patients_job_id: importedPatients.body.job_id,
    tests_job_id: importedTests.body.job_id,
    batch_id: jobs.body.jobs[0].batch_id,
  }
}

const PATH_IDS: Record<string, string> = {
  '/api/v1/clinics/{id}': 'clinic_id',
  '/api/v1/keys/{id}': 'key_id',
  '/api/v1/staff/{id}': 'staff_id',
  '/api/v1/staff/{id}/keys': 'staff_id',
  '/api/v1/staff/{id}/sign-in-links': 'staff_id',
  '/api/v1/patients/{id}': 'patient_id',
  '/api/v1/patients/{id}/merge': 'patient_id',
  '/api/v1/patients/{id}/unmerge': 'patient_id',
  '/api/v1/patients/{id}/merges': 'patient_id',
  '/api/v1/patients/{id}/duplicates': 'patient_id',
  '/api/v1/doctors/{id}': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/slots': 'doctor_id',
  '/api/v1/services/{id}': 'service_id',
  '/api/v1/doctors/{id}/availability': 'doctor_id',
  '/api/v1/doctors/{id}/weekly-hours': 'doctor_id',
  '/api/v1/doctors/{id}/reinstate': 'doctor_id',
  '/api/v1/doctors/{id}/leave': 'doctor_id',
  '/api/v1/doctors/{id}/leave/{leave_id}': 'doctor_id',
  '/api/v1/doctors/{id}/leave/{leave_id}/dates': 'doctor_id',
  '/api/v1/doctors/{id}/leave/{leave_id}/pause': 'doctor_id',
  '/api/v1/doctors/{id}/leave/{leave_id}/resume': 'doctor_id',
  '/api/v1/doctors/{id}/leave/{leave_id}/cancel': 'doctor_id',
  '/api/v1/closings/{id}': 'closing_id',
  '/api/v1/doctors/{id}/feed': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}/events': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}/list': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}/verify': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}/resync': 'doctor_id',
  '/api/v1/doctors/{doctor_id}/days/{date}/absence': 'doctor_id',
  '/api/v1/appointments/{id}': 'appointment_id',
  '/api/v1/appointments/{id}.ics': 'appointment_id',
  '/api/v1/appointments/{id}/cancel': 'appointment_id',
  '/api/v1/appointments/{id}/reschedule': 'appointment_id',
  '/api/v1/appointments/holds/{id}': 'hold_id',
  '/api/v1/appointments/waitlist/wishes/{id}': 'wish_id',
  '/api/v1/appointments/waitlist/{id}/accept': 'wait_id',
  '/api/v1/appointments/waitlist/{id}/decline': 'wait_id',
  '/api/v1/checkins/{appointment_id}': 'appointment_id',
  '/api/v1/checkins/{appointment_id}/uncheck-in': 'appointment_id',
  '/api/v1/checkins/{appointment_id}/unserve': 'appointment_id',
  '/api/v1/checkins/{appointment_id}/{step}': 'appointment_id',
  '/api/v1/checkins/doctors/{doctor_id}/queue/next': 'doctor_id',
  '/api/v1/appointments/doctors/{doctor_id}/appointments': 'doctor_id',
  '/api/v1/checkins/doctors/{doctor_id}/queue': 'doctor_id',
  '/api/v1/checkins/doctors/{doctor_id}/queue/live': 'doctor_id',
  '/api/v1/checkins/doctors/{doctor_id}/queue/tickets': 'doctor_id',
  '/api/v1/hospitals/status/{job_id}': 'job_id',
  '/api/v1/hospitals/status/{job_id}/live': 'job_id',
  '/api/v1/patients/bulk/{job_id}': 'patients_job_id',
  '/api/v1/patients/bulk/{job_id}/live': 'patients_job_id',
  '/api/v1/patients/bulk/{job_id}/failed.csv': 'patients_job_id',
  '/api/v1/patients/bulk/{job_id}/succeeded.csv': 'patients_job_id',
  '/api/v1/patients/bulk/{job_id}/cancel': 'patients_job_id',
  '/api/v1/patients/bulk/{job_id}/resume': 'patients_job_id',
  ...Object.fromEntries(
    ['/tests/bulk', '/api/v1/tests/bulk'].flatMap((bulk) =>
      ['', '/live', '/failed.csv', '/succeeded.csv', '/cancel', '/resume'].map((end) => [
        `${bulk}/{job_id}${end}`,
        'tests_job_id',
      ]),
    ),
  ),
  '/api/v1/hospitals/jobs/{job_id}/failed.csv': 'job_id',
  '/api/v1/hospitals/jobs/{job_id}/succeeded.csv': 'job_id',
  '/api/v1/hospitals/jobs/{job_id}/cancel': 'job_id',
  '/api/v1/hospitals/jobs/{job_id}/resume': 'job_id',
  '/api/v1/hospitals/bulk/batch/{batch_id}/activate': 'batch_id',
}

/** Ids that only an admin of the whole service can reach; a clinic's key is refused before any look-up. */
const ADMIN_ONLY = ['/api/v1/clinics/{id}/resync', '/api/v1/clinics/{id}/days/repair']
/**
 * A hospital's id is made by the consumer, and a repair is a file: their own tests show their isolation. The
 * explanation of a problem belongs to no clinic. A feed is opened by a token alone: test/calendar.test.ts.
 */
const SHOWN_ELSEWHERE = [
  '/problems/{code}',
  '/api/v1/doctors/{id}/feed.ics',
  '/api/v1/hospitals/{id}',
  '/api/v1/hospitals/jobs/{job_id}/rows',
  '/api/v1/patients/bulk/{job_id}/rows',
  '/api/v1/tests/bulk/{job_id}/rows',
  '/tests/bulk/{job_id}/rows',
]

/** The keys of a clinic’s own manager. */
const MANAGED = { scopes: ['*', 'clinic:admin'] }

/** All that tells one answer from another. */
const wordsOf = ({ status, body }: Reply) => ({ status, body: { ...body, request_id: '' } })

test('every id of one clinic is 404 for the other, word for word as an unknown id, on every route that takes an id in its path', async () => {
  const [one, other] = [await openFrontDesk(MANAGED), await openFrontDesk(MANAGED)]
  const ids = await furnish(one)
  const routes = (await operations()).filter(
    ({ path }) => path.includes('{') && !ADMIN_ONLY.includes(path) && !SHOWN_ELSEWHERE.includes(path),
  )
  expect(new Set(routes.map(({ path }) => path))).toEqual(new Set(Object.keys(PATH_IDS)))
  for (const { method, path, operation } of routes) {
    const urlOf = (id = '') =>
      path
        .replace('{date}', DAY)
        .replace('{leave_id}', ids.leave_id ?? '')
        .replace(/\{[^}]+\}/, id)
        .replace('{step}', 'serve')
    const url = urlOf(ids[PATH_IDS[path] ?? ''])
    const body = await bodyOf(operation, {
      name: 'Changed',
      date: DAY,
      is_present: true,
      room: 'r',
      reason: 'ill',
      from: '2040-06-04',
      to: '2040-06-08',
      expires_at: '2041-01-01T00:00:00Z',
      into: ids.other_patient_id,
    })
    const foreign = await other.send(method, url, body)
    const unknown = await other.send(method, urlOf(crypto.randomUUID()), body)
    expect([method, path, wordsOf(foreign)]).toEqual([method, path, wordsOf(unknown)])
    const replies: [string, Reply][] = [
      ['foreign', foreign],
      ['own', await one.send(method, url, body)],
    ]
    expect([method, path, ...replies.map(([whose, { status }]) => `${whose} ${status}`)]).toEqual([
      method,
      path,
      'foreign 404',
      expect.not.stringMatching(/404/),
    ])
  }
})

test('every id of one clinic is 404 for the other, in every body and query that takes one', async () => {
  const [one, other] = [await openFrontDesk(MANAGED), await openFrontDesk(MANAGED)]
  const theirs = await furnish(one)
  const own = await furnish(other)
  const attempts: [string, string, object | null][] = [
    ['POST', `/api/v1/patients/${own.patient_id}/merge`, { into: theirs.patient_id }],
    ['POST', '/api/v1/appointments', { doctor_id: own.doctor_id, patient_id: theirs.patient_id, date: DAY }],
    ['POST', '/api/v1/appointments', { doctor_id: theirs.doctor_id, patient_id: own.patient_id, date: DAY }],
    ['POST', '/api/v1/checkins', { appointment_id: theirs.appointment_id, patient_id: theirs.patient_id }],
    ['POST', '/api/v1/appointments', { hold_id: theirs.hold_id, patient_id: own.patient_id }],
    ['POST', '/api/v1/appointments/holds', { doctor_id: theirs.doctor_id, date: DAY, ttl_seconds: 5 }],
    [
      'POST',
      '/api/v1/appointments/waitlist',
      { doctor_id: theirs.doctor_id, patient_id: own.patient_id, date: DAY },
    ],
    [
      'POST',
      '/api/v1/appointments/waitlist',
      { doctor_id: own.doctor_id, patient_id: theirs.patient_id, date: DAY },
    ],
    [
      'POST',
      '/api/v1/appointments/waitlist',
      { doctor_id: theirs.doctor_id, patient_id: own.patient_id, dates: ['2040-05-01', '2040-05-02'] },
    ],
    ['POST', '/api/v1/checkins/walk-in', { doctor_id: theirs.doctor_id, patient_id: own.patient_id }],
    ['POST', '/api/v1/checkins/walk-in', { doctor_id: own.doctor_id, patient_id: theirs.patient_id }],
    ['GET', `/api/v1/appointments/waitlist?doctor_id=${theirs.doctor_id}`, null],
    ['GET', `/api/v1/slots?service=${theirs.service_id}`, null],
    ['GET', `/api/v1/doctors/${own.doctor_id}/slots?service=${theirs.service_id}`, null],
    [
      'POST',
      '/api/v1/appointments',
      { doctor_id: own.doctor_id, patient_id: own.patient_id, date: DAY, service_id: theirs.service_id },
    ],
    [
      'POST',
      '/api/v1/appointments/holds',
      { doctor_id: own.doctor_id, date: DAY, ttl_seconds: 5, service_id: theirs.service_id },
    ],
    ['GET', `/tests?clinic_id=${theirs.clinic_id}`, null],
    ['GET', `/api/v1/keys?clinic_id=${theirs.clinic_id}`, null],
    ['GET', `/api/v1/audit?clinic_id=${theirs.clinic_id}`, null],
    ['POST', '/api/v1/keys', { clinic_id: theirs.clinic_id, name: 'k', scopes: ['events:read'] }],
    [
      'POST',
      '/tests',
      { test_id: 't', patient_id: 'p', clinic_id: theirs.clinic_id, test_type: 'b', result: 'r' },
    ],
  ]
  for (const [method, path, body] of attempts) {
    const [text, asked] = [JSON.stringify(body), [method, path]]
    const unknown = withUnknown(theirs, path, text)
    const foreign = await other.send(method, path, body && text)
    expect([...asked, foreign.status]).toEqual([...asked, 404])
    const answer = await other.send(method, unknown.path, body && unknown.text)
    expect([...asked, wordsOf(answer)]).toEqual([...asked, unknown.answerOf(foreign)])
  }
})

/** The same request with an unknown id in place of each foreign one, and the answer that tells no difference. */
function withUnknown(theirs: Record<string, string>, path: string, text: string) {
  const unknown = crypto.randomUUID()
  const replaced = (all: string) =>
    Object.values(theirs).reduce((rest, id) => rest.replaceAll(id, unknown), all)
  return {
    path: replaced(path),
    text: replaced(text),
    answerOf: (foreign: Reply) => JSON.parse(replaced(JSON.stringify(wordsOf(foreign)))),
  }
}

test('lists hold nothing of another clinic', async () => {
  const [one, other] = [await openFrontDesk(MANAGED), await openFrontDesk(MANAGED)]
  await furnish(one)
  await one.post('/webhook/appointments', {
    event_type: 'updated',
    appointment_id: 'A',
    patient_id: 'P',
    timestamp: '2025-01-10T12:30:00Z',
  })
  expect((await other.get('/events')).body).toEqual({ count: 0, events: [] })
  expect((await other.get('/api/v1/doctors')).body).toMatchObject([{ id: other.doctorId }])
  expect((await other.get('/api/v1/patients')).body).toMatchObject([{ id: other.patientIds[0] }])
  const { body: found } = await other.post('/api/v1/patients/search', { q: 'patient' })
  expect(found).toMatchObject([{ id: other.patientIds[0] }])
  expect((await other.get(`/api/v1/days?date=${DAY}`)).body).toMatchObject([
    { doctor_id: other.doctorId, figures: { booked: 0, version: 0 } },
  ])
  expect((await other.get('/api/v1/hospitals/jobs')).body).toEqual({ total_jobs: 0, jobs: [] })
  expect((await other.get('/api/v1/patients/bulk')).body).toEqual({ total_jobs: 0, jobs: [] })
  expect((await other.get('/api/v1/tests/bulk/jobs')).body).toEqual({ total_jobs: 0, jobs: [] })
  expect((await other.get('/api/v1/hospitals')).body).toEqual([])
  expect((await other.get('/api/v1/appointments')).body).toEqual([])
  expect((await other.get('/api/v1/staff')).body).toEqual([])
  const { body: audit } = await other.get('/api/v1/audit')
  expect(JSON.stringify(audit)).not.toContain(one.doctorId)
})

test('a doctor’s code, a patient’s phone and an Idempotency-Key of one clinic are free for another', async () => {
  const [one, other] = [await openFrontDesk(MANAGED), await openFrontDesk(MANAGED)]
  const bookings = [
    await one.book({ date: DAY, idempotency_key: 'k' }),
    await other.book({ date: DAY, idempotency_key: 'k' }),
  ]
  expect(bookings.map(({ status }) => status)).toEqual([201, 201])
  expect(bookings[0]?.body.id).not.toBe(bookings[1]?.body.id)
})
