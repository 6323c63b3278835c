import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { DAY, openClinic, openFrontDesk, statuses, times } from './clinic'

const DOCTORS = '/api/v1/doctors'
const GRACE = { name: 'Grace Hopper', code: 'GH', specialty: 'Cardiology' }

test('a doctor is added and read back', async () => {
  const clinic = await openClinic()
  const { status, body } = await clinic.post(DOCTORS, GRACE)
  expect(status).toBe(201)
  expect(body).toEqual({
    ...GRACE,
    capacity: 10,
    working_hours: null,
    weekly_hours: null,
    retired_at: null,
    id: expect.any(String),
    created_at: expect.any(String),
  })
  expect(await clinic.get(`${DOCTORS}/${body.id}`)).toMatchObject({ status: 200, body })
})

test('a specialty may be left out', async () => {
  const clinic = await openClinic()
  expect((await clinic.post(DOCTORS, { name: 'A', code: 'A' })).body).toMatchObject({ specialty: null })
})

test('the same code again is 409, “already exists”; another clinic may use it', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const replies = await Promise.all(times(10, () => clinic.post(DOCTORS, GRACE)))
  expect(statuses(replies)).toEqual({ 201: 1, 409: 9 })
  expect(replies.find(({ status }) => status === 409)?.body.message).toContain('already exists')
  expect((await other.post(DOCTORS, GRACE)).status).toBe(201)
})

test('an unknown doctor is 404', async () => {
  const clinic = await openClinic()
  expect((await clinic.get(`${DOCTORS}/nobody`)).status).toBe(404)
  expect((await clinic.get(`${DOCTORS}/nobody/availability?date=${DAY}`)).status).toBe(404)
  expect((await clinic.post(`${DOCTORS}/nobody/availability`, { date: DAY, is_present: true })).status).toBe(
    404,
  )
})

test('GET /doctors answers an array; with a date each doctor says whether he is available', async () => {
  const clinic = await openClinic()
  const [here, away] = [
    (await clinic.post(DOCTORS, GRACE)).body,
    (await clinic.post(DOCTORS, { name: 'Away', code: 'AW' })).body,
  ]
  await clinic.post(`${DOCTORS}/${away.id}/availability`, { date: DAY, is_present: false })
  expect((await clinic.get(DOCTORS)).body).toEqual([here, away])
  expect((await clinic.get(`${DOCTORS}?date=${DAY}`)).body).toEqual([
    { ...here, is_available: true },
    { ...away, is_available: false },
  ])
})

test.each(['2026-02-30', '14-03-2026', 'today', ''])('GET /doctors?date=%s is 400', async (date) => {
  const clinic = await openClinic()
  expect((await clinic.get(`${DOCTORS}?date=${date}`)).status).toBe(400)
})

test('doctors come in pages', async () => {
  const clinic = await openClinic()
  for (const code of ['A', 'B', 'C']) await clinic.post(DOCTORS, { name: code, code })
  const first = await clinic.get(`${DOCTORS}?limit=2`)
  const next = first.headers.get('Link')?.match(/<(\/.+)>/)?.[1] ?? ''
  const second = await clinic.get(next)
  expect([...first.body, ...second.body].map(({ code }) => code)).toEqual(['A', 'B', 'C'])
  expect(second.headers.get('Link')).toBeNull()
})

test('doctors of one specialty are listed, however it is written, in pages too', async () => {
  const clinic = await openClinic()
  const { body: grace } = await clinic.post(DOCTORS, GRACE)
  await clinic.post(DOCTORS, { name: 'B', code: 'B', specialty: 'Cardio' })
  await clinic.post(DOCTORS, { name: 'C', code: 'C' })
  const { body: last } = await clinic.post(DOCTORS, { name: 'D', code: 'D', specialty: 'cardiology' })
  expect((await clinic.get(`${DOCTORS}?specialty=CARDIOLOGY`)).body).toEqual([grace, last])
  const page = await clinic.get(`${DOCTORS}?specialty=cardiology&limit=1`)
  const next = page.headers.get('Link')?.match(/<(\/.+)>/)?.[1] ?? ''
  expect([page.body, (await clinic.get(next)).body]).toEqual([[grace], [last]])
  expect((await clinic.get(`${DOCTORS}?specialty=dentist`)).body).toEqual([])
})

test('setting availability is an upsert: the id stays, who and when are told', async () => {
  const desk = await openFrontDesk()
  const path = `${DOCTORS}/${desk.doctorId}/availability`
  const first = await desk.post(path, { date: DAY, is_present: false, notes: 'ill' })
  expect(first.status).toBe(200)
  expect(first.body).toEqual({
    id: expect.any(String),
    doctor_id: desk.doctorId,
    date: DAY,
    is_present: false,
    notes: 'ill',
    capacity: 10,
    updated_by: desk.keyId,
    updated_at: expect.any(String),
  })
  const second = await desk.post(path, { date: DAY, is_present: true })
  expect(second.body).toMatchObject({ id: first.body.id, is_present: true, notes: null })
  expect((await desk.get(`${path}?date=${DAY}`)).body).toEqual(second.body)
})

test('where nothing was set: is_present true, id null, notes “Available (default)”', async () => {
  const desk = await openFrontDesk()
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}/availability?date=${DAY}`)).body).toEqual({
    id: null,
    doctor_id: desk.doctorId,
    date: DAY,
    is_present: true,
    notes: 'Available (default)',
    capacity: 10,
    updated_by: null,
    updated_at: null,
  })
})

test('capacity is the doctor’s, and a day may say otherwise', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 1 })
  expect((await desk.book({ date: DAY, patient: 0 })).status).toBe(201)
  expect((await desk.book({ date: DAY, patient: 1 })).status).toBe(409)
  await desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date: DAY, is_present: true, capacity: 2 })
  expect((await desk.book({ date: DAY, patient: 1 })).body.slot).toBe(2)
  expect((await desk.book({ date: DAY, patient: 2 })).status).toBe(409)
})

test('capacity cannot be set below what is taken', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  for (const patient of [0, 1, 2]) await desk.book({ date: DAY, patient })
  const set = (capacity: number) =>
    desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date: DAY, is_present: true, capacity })
  expect(await set(2)).toMatchObject({
    status: 409,
    body: { type: '/problems/capacity_below_taken' },
  })
  expect((await set(3)).body.capacity).toBe(3)
})

test.each([
  { capacity: 0 },
  { capacity: 1001 },
  { capacity: 1.5 },
  { is_present: 'yes' },
  { date: '2026-02-30' },
])('availability %j is 400', async (change) => {
  const desk = await openFrontDesk()
  const wanted = { date: DAY, is_present: true, ...change }
  expect((await desk.post(`${DOCTORS}/${desk.doctorId}/availability`, wanted)).status).toBe(400)
})

test('a change of a doctor happens once for each key: a late retry undoes no newer change', async () => {
  const desk = await openFrontDesk()
  const path = `/api/v1/doctors/${desk.doctorId}`
  const patch = (at: string, body: object, idempotencyKey: string) =>
    desk.send('PATCH', at, JSON.stringify(body), {
      'Content-Type': 'application/json',
      'Idempotency-Key': idempotencyKey,
    })
  const change = (body: object, idempotencyKey: string) => patch(path, body, idempotencyKey)
  const [key, later] = [crypto.randomUUID(), crypto.randomUUID()]
  const first = { name: 'First', capacity: 5 }
  expect((await change(first, key)).body).toMatchObject(first)
  expect((await change({ name: 'Second' }, key)).status).toBe(422)
  expect((await change({ name: 'Second' }, later)).body).toMatchObject({ name: 'Second', capacity: 5 })
  expect((await change(first, key)).status).toBe(200)
  expect((await desk.get(path)).body).toMatchObject({ name: 'Second', capacity: 5 })
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
  expect((await change(first, key)).status).toBe(200)
  expect((await desk.get(path)).body).toMatchObject({ name: 'Second', capacity: 5 })
  const unknown = await patch('/api/v1/doctors/nobody', first, 'free')
  expect(unknown.status).toBe(404)
  expect((await change({ name: 'Third' }, 'free')).body).toMatchObject({ name: 'Third' })
})

test('a retry gets the first answer of its key, however the doctor was changed since, with and without KV', async () => {
  const desk = await openFrontDesk()
  const hours = { from: '09:00', to: '12:00', minutes_per_slot: 30 }
  const added = { name: 'Ada', code: 'AL', specialty: 'Eyes', working_hours: hours }
  const json = (key: string) => ({ 'Content-Type': 'application/json', 'Idempotency-Key': key })
  const add = () => desk.send('POST', DOCTORS, JSON.stringify(added), json('add'))
  const first = await add()
  expect(first.body).toMatchObject({ ...added, capacity: 6 })
  const change = (key: string, body: object) =>
    desk.send('PATCH', `${DOCTORS}/${first.body.id}`, JSON.stringify(body), json(key))
  const changes: [key: string, body: object][] = [
    ['a', { name: 'Bea', capacity: 4 }],
    ['b', { specialty: null }],
    ['c', { working_hours: null, capacity: 9 }],
    ['d', { working_hours: { ...hours, to: '10:00' }, specialty: 'Ears' }],
  ]
  const answers = [first.text]
  for (const [key, body] of changes) answers.push((await change(key, body)).text)
  expect(new Set(answers).size).toBe(5)
  for (const isForgotten of [false, true]) {
    if (isForgotten) for (const { name } of (await env.REPLIES.list()).keys) await env.REPLIES.delete(name)
    const again = [(await add()).text]
    for (const [key, body] of changes) again.push((await change(key, body)).text)
    expect(again).toEqual(answers)
  }
  expect((await desk.get(`${DOCTORS}/${first.body.id}`)).text).toBe(answers.at(-1))
})
