import { expect, test } from 'vitest'
import { openClinic, openFrontDesk } from './clinic'
import { operations } from './conformity'

const ada = { name: 'Ada', phone: '2025550101' }
const hours = { from: '09:00', to: '17:00', minutes_per_slot: 15 }

test.each([
  ['/api/v1/patients', { ...ada, emial: 'a@b.example' }, 'emial', 'email'],
  ['/api/v1/patients', { ...ada, Age: 3 }, 'Age', 'age'],
  ['/api/v1/patients', { ...ada, sharedPhone: true }, 'sharedPhone', 'shared_phone'],
  ['/api/v1/patients', { ...ada, email: null, 'e-mail': 'a@b.example' }, 'e-mail', 'email'],
  ['/api/v1/patients', { phone: '2025550101', Name: 'Ada' }, 'Name', 'name'],
  ['/api/v1/doctors', { name: 'G', code: 'G', workingHours: hours }, 'workingHours', 'working_hours'],
  [
    '/api/v1/doctors',
    { name: 'G', code: 'G', working_hours: { ...hours, minutes_per_slot: undefined, minutesPerSlot: 5 } },
    'working_hours.minutesPerSlot',
    'working_hours.minutes_per_slot',
  ],
  [
    '/webhook/appointments',
    {
      event_type: 'updated',
      appointment_id: 'A',
      patient_id: 'P',
      timestamp: '2025-01-10T12:30:00Z',
      note: 'x',
    },
    'note',
    'notes',
  ],
  [
    '/api/v1/appointments/holds',
    { doctor_id: 'd', date: '2027-03-14', ttlSeconds: 60 },
    'ttlSeconds',
    'ttl_seconds',
  ],
  [
    '/api/v1/doctors/x/days/2027-03-14/absence',
    { reason: 'ill', move_to: { Date: '2027-03-15' } },
    'move_to.Date',
    'move_to.date',
  ],
])('POST %s %j: did you mean', async (path, body, field, meant) => {
  const clinic = await openClinic()
  const reply = await clinic.post(path, body)
  expect(reply.status).toBe(400)
  expect(reply.body.errors).toEqual([
    { field, rule: 'unknown', message: `${field} is unknown; did you mean ${meant}?` },
  ])
})

test.each([
  ['/tests?clinic_id=x&limt=5', 'limt', 'limit'],
  ['/tests?clinicId=x', 'clinicId', 'clinic_id'],
  ['/events?Limit=5', 'Limit', 'limit'],
  ['/api/v1/doctors?dat=2027-03-14', 'dat', 'date'],
  ['/api/v1/audit?curser=x', 'curser', 'cursor'],
  ['/api/v1/appointments?patientId=x', 'patientId', 'patient_id'],
  ['/api/v1/hospitals/jobs?LIMIT=5', 'LIMIT', 'limit'],
])('GET %s: did you mean', async (path, field, meant) => {
  const clinic = await openClinic()
  const reply = await clinic.get(path)
  expect(reply.status).toBe(400)
  expect(reply.body.message).toContain(`${field} is unknown; did you mean ${meant}?`)
})

test('an upload with a misspelt option is 400 and takes no effect', async () => {
  const clinic = await openClinic()
  const headers = { 'Content-Type': 'text/csv', 'Idempotency-Key': 'k' }
  for (const query of ['?Mode=partial', '?dryRun=true', '?dry-run=true']) {
    const reply = await clinic.send('POST', `/api/v1/hospitals/bulk${query}`, 'name,address\nA,B\n', headers)
    expect([query, reply.status]).toEqual([query, 400])
  }
  expect((await clinic.get('/api/v1/hospitals/jobs')).body.total_jobs).toBe(0)
})

test('on the contract’s routes other fields are ignored, and Ignored-Fields names them', async () => {
  const desk = await openFrontDesk()
  const sent = { ...ada, id: 7, _meta: { a: 1 }, email: 'a@b.example', Email: 'other' }
  const made = await desk.post('/api/v1/patients', sent)
  expect(made).toMatchObject({ status: 201, body: { email: 'a@b.example' } })
  expect(made.headers.get('Ignored-Fields')).toBe('id, _meta, Email')
  const booked = await desk.book({ date: '2027-03-14', source: 'web' })
  expect([booked.status, booked.headers.get('Ignored-Fields')]).toEqual([201, 'source'])
  const full = await desk.book({ date: '2027-03-14', source: 'web' })
  expect([full.status, full.headers.get('Ignored-Fields')]).toEqual([409, 'source'])
  const list = await desk.get(`/api/v1/doctors/${desk.doctorId}?verbose=1&_=17`)
  expect([list.status, list.headers.get('Ignored-Fields')]).toEqual([200, 'verbose, _'])
  expect((await desk.get('/api/v1/doctors')).headers.get('Ignored-Fields')).toBeNull()
})

test('an ignored field is part of no fingerprint: a retry may send another value of it', async () => {
  const clinic = await openClinic()
  const key = { 'Idempotency-Key': 'k' }
  const first = await clinic.post('/api/v1/patients', { ...ada, sent_at: 1 }, key)
  const again = await clinic.post('/api/v1/patients', { sent_at: 2, ...ada }, key)
  expect([again.status, again.text]).toEqual([first.status, first.text])
})

test('Ignored-Fields holds safe characters only, at most 20 names, and no name is long', async () => {
  const clinic = await openClinic()
  const odd = { 'a\r\nSet-Cookie: x=1': 1, ключ: 1, 'a,b': 1, ['x'.repeat(5_000)]: 1, '': 1 }
  const reply = await clinic.post('/api/v1/patients', { ...ada, ...odd })
  expect(reply.status).toBe(201)
  const named = reply.headers.get('Ignored-Fields')
  expect(named).toBe(`a??Set-Cookie??x?1, ????, a?b, ${'x'.repeat(40)}..., `.trim())
  expect(reply.headers.get('Set-Cookie')).toBeNull()
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`zz${n}`, n]))
  const crowd = await clinic.post('/api/v1/patients', { ...ada, ...many })
  expect(crowd.headers.get('Ignored-Fields')?.split(', ')).toHaveLength(20)
})

test('on our own routes any other field is 400, in bodies, in queries and where nothing is read', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'admin', 'clinics:*'] })
  const { body } = await desk.book({ date: '2027-03-14' })
  const cancel = `/api/v1/appointments/${body.id}/cancel`
  for (const [path, sent, field] of [
    [cancel, { reason: 'ill', by: 'nurse' }, 'by'],
    [`${cancel}?by=nurse`, {}, 'by'],
    ['/api/v1/checkins/x/serve', { room: '1' }, 'room'],
    ['/api/v1/checkins/x/serve?room=1', undefined, 'room'],
    ['/api/v1/appointments/waitlist/x/accept', { slot: 1 }, 'slot'],
    ['/api/v1/clinics', { id: 'c', name: 'C', time_zone: 'UTC', owner: 'x' }, 'owner'],
  ] as const) {
    const reply = await desk.post(path, sent)
    expect([path, reply.status]).toEqual([path, 400])
    expect(reply.body.errors).toEqual([
      { field, rule: 'unknown', message: `${field} is unknown; leave it out` },
    ])
  }
  for (const path of ['/api/v1/keys?page=2', '/api/v1/checkins/x?verbose=1', '/api/v1/hospitals/x?a=1'])
    expect([path, (await desk.get(path)).status]).toEqual([path, 400])
  expect((await desk.send('DELETE', '/api/v1/keys/x?force=1')).status).toBe(400)
  expect((await desk.get(`/api/v1/appointments/${body.id}`)).body.status).toBe('booked')
})

test('a POST that reads nothing takes no body or an empty object', async () => {
  const desk = await openFrontDesk()
  for (const body of [null, '', ' ', '{}'])
    expect((await desk.send('POST', '/api/v1/appointments/waitlist/x/accept', body)).status).toBe(404)
  for (const body of ['[]', 'null', '{', 'x=1'])
    expect((await desk.send('POST', '/api/v1/appointments/waitlist/x/accept', body)).status).toBe(400)
})

test('null in an optional field is no field, on every route', async () => {
  const desk = await openFrontDesk()
  const date = '2027-03-14'
  const nothing = { hold_id: null, allow_another: null, idempotency_key: null }
  const { status, body } = await desk.book({ date, ...nothing })
  expect(status).toBe(201)
  const other = await desk.post('/api/v1/patients', { ...ada, shared_phone: null, age: null })
  expect(other.status).toBe(201)
  const moved = { date: '2027-03-15', doctor_id: null, allow_another: null }
  expect((await desk.post(`/api/v1/appointments/${body.id}/reschedule`, moved)).status).toBe(200)
  const ticket = { date: null, view: null }
  const tickets = `/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`
  expect((await desk.post(tickets, ticket)).body).toMatchObject({ view: 'board' })
  const doctor = { name: 'G', code: 'N', capacity: null, specialty: null, working_hours: null }
  expect((await desk.post('/api/v1/doctors', doctor)).status).toBe(201)
  expect((await desk.send('PATCH', `/api/v1/doctors/${desk.doctorId}`, '{"name":null}')).status).toBe(400)
  const required = await desk.post('/api/v1/patients', { name: null, phone: '2025550109' })
  expect(required.body.errors).toMatchObject([{ field: 'name' }])
})

const CONTRACT = [
  '/api/v1/appointments',
  '/api/v1/checkins',
  '/api/v1/doctors',
  '/api/v1/doctors/{id}/availability',
  '/api/v1/patients',
  '/tests',
  '/webhook/appointments',
]

test('every route that takes JSON is ours, and refuses an unknown field, or is one of the contract', async () => {
  const clinic = await openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
  const taking = (await operations()).filter(
    ({ operation: { requestBody } }) =>
      requestBody && 'content' in requestBody && 'application/json' in requestBody.content,
  )
  const ignoring: string[] = []
  for (const { method, path } of taking) {
    const url = path.replace('{date}', '2027-03-14').replace(/\{[^}]+\}/g, 'x')
    const { body } = await clinic.send(method, url, '{"zzz":1}')
    if (!body.errors?.some(({ field }: { field: string }) => field === 'zzz')) ignoring.push(path)
  }
  expect(ignoring.sort()).toEqual(CONTRACT)
})

test.each([
  ['working_hours', 3_000],
  ['working_hours', 100_000],
  ['specialty', 100_000],
])('%s with %s lists, one in the other, is 400', async (field, depth) => {
  const { send } = await openClinic()
  const body = `{"name":"G","code":"G","${field}":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const json = { 'Content-Type': 'application/json' }
  expect((await send('POST', '/api/v1/doctors', body, json)).status).toBe(400)
})
