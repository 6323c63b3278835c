import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk, statuses, times } from './clinic'

const DOCTORS = '/api/v1/doctors'
const [MONDAY, TUESDAY, SATURDAY] = ['2040-03-12', '2040-03-13', '2040-03-17']
const LONG = { from: '09:00', to: '12:00', minutes_per_slot: 30 }
const SHORT = { from: '14:00', to: '15:00', minutes_per_slot: 20 }
const NO_DAY = { mon: null, tue: null, wed: null, thu: null, fri: null, sat: null, sun: null }
const WEEK = { ...NO_DAY, mon: LONG, tue: SHORT, wed: LONG, thu: LONG, fri: LONG }

afterEach(() => vi.useRealTimers())

const patch = (desk: FrontDesk, body: object, key = '') =>
  desk.send('PATCH', `${DOCTORS}/${desk.doctorId}`, JSON.stringify(body), {
    'Content-Type': 'application/json',
    ...(key && { 'Idempotency-Key': key }),
  })
const set = (desk: FrontDesk, validFrom: string, week: object) =>
  patch(desk, { weekly_hours: { valid_from: validFrom, ...week } })
const availability = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/availability?date=${date}`)).body
const ledger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/days/${date}`)).body
const isListed = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}?date=${date}`)).body[0].is_available
const freeOn = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/slots?from=${date}&to=${date}`)).body

test('each weekday has its own hours, and a day off takes no patients; everything that is asked agrees', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body } = await set(desk, '2040-01-01', WEEK)
  expect(body.weekly_hours).toBeNull()
  expect((await desk.get(`${DOCTORS}?date=${MONDAY}`)).body[0].weekly_hours).toEqual({
    valid_from: '2040-01-01',
    ...WEEK,
  })
  for (const [date, hours, slots] of [
    [MONDAY, LONG, 6],
    [TUESDAY, SHORT, 3],
  ] as const) {
    expect(await availability(desk, date)).toMatchObject({
      is_present: true,
      capacity: slots,
      working_hours: hours,
    })
    expect(await ledger(desk, date)).toMatchObject({ capacity: slots, is_present: true })
    expect([await isListed(desk, date), (await freeOn(desk, date)).length]).toEqual([true, slots])
    expect((await desk.book({ date })).body.starts_at).toBe(`${date}T${hours.from}:00+00:00`)
  }
  expect(await availability(desk, SATURDAY)).toMatchObject({
    id: null,
    is_present: false,
    notes: 'Day off (weekly hours)',
  })
  expect(await ledger(desk, SATURDAY)).toMatchObject({ is_present: false, version: 0 })
  expect([await isListed(desk, SATURDAY), await freeOn(desk, SATURDAY)]).toEqual([false, []])
})

test('a day off refuses a booking, a hold and a move: 422 doctor_absent, and nothing is stored', async () => {
  const desk = await openFrontDesk()
  await set(desk, '2040-01-01', WEEK)
  const { body: booked } = await desk.book({ date: MONDAY })
  const place = { doctor_id: desk.doctorId, date: SATURDAY }
  const replies = [
    await desk.book({ date: SATURDAY }),
    await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 60 }),
    await desk.post(`/api/v1/appointments/${booked.id}/reschedule`, { date: SATURDAY }),
  ]
  for (const { status, body } of replies)
    expect([status, body.type, body.message]).toEqual([
      422,
      '/problems/doctor_absent',
      'The doctor is not available on that date',
    ])
  expect((await ledger(desk, SATURDAY)).version).toBe(0)
})

test('a date can be opened by its own availability, and then keeps its terms', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await set(desk, '2040-01-01', WEEK)
  const opened = await desk.post(`${DOCTORS}/${desk.doctorId}/availability`, {
    date: SATURDAY,
    is_present: true,
    working_hours: SHORT,
  })
  expect(opened.body).toMatchObject({ is_present: true, capacity: 3, working_hours: SHORT })
  expect(await isListed(desk, SATURDAY)).toBe(true)
  expect((await desk.book({ date: SATURDAY })).body.starts_at).toBe(`${SATURDAY}T14:00:00+00:00`)
  await set(desk, '2040-02-01', { ...WEEK, tue: null })
  expect((await desk.book({ date: SATURDAY, patient: 1 })).status).toBe(201)
})

test('who joins the waitlist of a day off is offered a slot when the day is opened; a day in use stays off', async () => {
  const desk = await openFrontDesk()
  await set(desk, '2040-01-01', WEEK)
  const place = { doctor_id: desk.doctorId, date: SATURDAY, patient_id: desk.patientIds[0] }
  const waiting = await desk.post('/api/v1/appointments/waitlist', place)
  expect(waiting).toMatchObject({ status: 201, body: { offer: null } })
  expect(await ledger(desk, SATURDAY)).toMatchObject({ is_present: false, waiting: 1 })
  await patch(desk, { weekly_hours: null })
  expect((await desk.book({ date: SATURDAY })).status).toBe(422)
  await desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date: SATURDAY, is_present: true })
  expect(await ledger(desk, SATURDAY)).toMatchObject({ is_present: true, offered: 1, waiting: 0 })
})

test('a version counts from its date on; one for the same date replaces it; null removes all', async () => {
  const desk = await openFrontDesk()
  await set(desk, '2040-01-01', { ...WEEK, mon: SHORT })
  await set(desk, TUESDAY, WEEK)
  await set(desk, TUESDAY, { ...WEEK, tue: null })
  const hours = async () => (await desk.get(`${DOCTORS}/${desk.doctorId}/weekly-hours`)).body
  expect((await hours()).map((one: { valid_from: string }) => one.valid_from)).toEqual([
    '2040-01-01',
    TUESDAY,
  ])
  expect((await availability(desk, MONDAY)).capacity).toBe(3)
  expect((await availability(desk, '2040-03-19')).capacity).toBe(6)
  expect((await availability(desk, TUESDAY)).is_present).toBe(false)
  expect((await availability(desk, '2039-12-31')).capacity).toBe(10)
  await patch(desk, { weekly_hours: null })
  expect(await hours()).toEqual([])
  expect((await availability(desk, TUESDAY)).is_present).toBe(true)
})

test('without valid_from they count from today on, and the answer shows them; a new doctor can have them', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk({ timeZone: 'Pacific/Kiritimati' })
  const { body } = await patch(desk, { weekly_hours: WEEK })
  expect(body.weekly_hours).toEqual({ valid_from: TUESDAY, ...WEEK })
  const added = await desk.post(DOCTORS, { name: 'Ada', code: 'AL', weekly_hours: WEEK })
  expect(added.body.weekly_hours).toEqual({ valid_from: TUESDAY, ...WEEK })
  expect((await desk.get(`${DOCTORS}/${added.body.id}`)).body).toEqual(added.body)
})

const versions = async (desk: FrontDesk): Promise<string[]> =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/weekly-hours`)).body.map(
    ({ valid_from }: { valid_from: string }) => valid_from,
  )

test('of versions that are over the newest 20 are kept, with those that count today or later', async () => {
  vi.useFakeTimers({ now: Date.parse('2040-04-20T10:00:00Z'), toFake: ['Date'] })
  const desk = await openFrontDesk()
  const dates = times(22, (n) => `2040-03-${10 + n}`)
  for (const date of dates) expect((await set(desk, date, WEEK)).status).toBe(200)
  expect(await versions(desk)).toEqual(dates.slice(2))
  const later = times(19, (n) => `2040-05-${10 + n}`)
  for (const date of later) expect((await set(desk, date, NO_DAY)).status).toBe(200)
  expect(await versions(desk)).toEqual([...dates.slice(-1), ...later])
})

test('the hours of today are never lost for later ones: a version too many is refused, and changes nothing', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk()
  const later = times(19, (n) => `2040-04-${10 + n}`)
  for (const date of ['2040-03-01', ...later]) await set(desk, date, WEEK)
  const before = await versions(desk)
  expect(before).toEqual(['2040-03-01', ...later])
  const tooMany = { name: 'Renamed', weekly_hours: { valid_from: '2040-05-01', ...NO_DAY } }
  const refused = await patch(desk, tooMany, 'k')
  expect([refused.status, refused.body.type]).toEqual([409, '/problems/too_many_weekly_hours'])
  expect(await versions(desk)).toEqual(before)
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}`)).body.name).toBe('Grace Hopper')
  expect((await ledger(desk, TUESDAY)).capacity).toBe(3)
  const replaced = await Promise.all([set(desk, later[3] ?? '', NO_DAY), set(desk, '2040-03-01', WEEK)])
  expect(replaced.map(({ status }) => status)).toEqual([200, 200])
  const today = await patch(desk, { weekly_hours: WEEK })
  expect([today.status, today.body.weekly_hours.valid_from]).toEqual([200, MONDAY])
  expect(await versions(desk)).toEqual([MONDAY, ...later])
  expect((await patch(desk, tooMany, 'k')).body.detail).toBe(refused.body.detail)
  await patch(desk, { weekly_hours: null })
  // The refusal has left the key free.
  expect((await patch(desk, tooMany, 'k')).body.name).toBe('Renamed')
  expect(await versions(desk)).toEqual(['2040-05-01'])
})

test('of ten later versions at once as many are taken as there is room for', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk()
  for (const date of ['2040-03-01', ...times(14, (n) => `2040-04-${10 + n}`)]) await set(desk, date, WEEK)
  const replies = await Promise.all(times(10, (n) => set(desk, `2040-06-${10 + n}`, WEEK)))
  expect(statuses(replies)).toEqual({ 200: 5, 409: 5 })
  expect(await versions(desk)).toHaveLength(20)
  expect((await versions(desk))[0]).toBe('2040-03-01')
})

test.each([
  [{ mon: LONG }, 'weekly_hours.tue'],
  [{ ...WEEK, mon: { ...LONG, to: '08:00' } }, 'weekly_hours.mon.to'],
  [{ ...WEEK, valid_from: '2040-02-30' }, 'weekly_hours.valid_from'],
  [{ ...WEEK, monday: null }, 'weekly_hours.monday'],
])('weekly hours %j are refused, naming the field', async (weekly, field) => {
  const desk = await openFrontDesk()
  const { status, body } = await patch(desk, { weekly_hours: weekly })
  expect([status, body.errors.map((fault: { field: string }) => fault.field)]).toEqual([
    400,
    expect.arrayContaining([field]),
  ])
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}/weekly-hours`)).body).toEqual([])
})

test('a late retry undoes no newer week, and gets its first answer, with and without KV', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk()
  const first = await patch(desk, { weekly_hours: WEEK }, 'k')
  const newer = { ...WEEK, mon: SHORT }
  await patch(desk, { weekly_hours: newer })
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
  expect((await patch(desk, { weekly_hours: WEEK }, 'k')).text).toBe(first.text)
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}`)).body.weekly_hours).toMatchObject(newer)
})

test('another clinic sees nothing of them, and cannot set them', async () => {
  const [desk, other] = [await openFrontDesk(), await openFrontDesk()]
  await set(desk, '2040-01-01', WEEK)
  const at = `${DOCTORS}/${desk.doctorId}`
  expect((await other.get(`${at}/weekly-hours`)).status).toBe(404)
  const foreign = await other.send('PATCH', at, JSON.stringify({ weekly_hours: null }), {
    'Content-Type': 'application/json',
  })
  expect(foreign.status).toBe(404)
  expect((await desk.get(`${at}/weekly-hours`)).body).toHaveLength(1)
})

test('hours of a weekday are local: a day of 23 hours has fewer slots where the clocks skip some', async () => {
  const desk = await openFrontDesk({ timeZone: 'America/New_York' })
  const night = { from: '01:00', to: '05:00', minutes_per_slot: 60 }
  await set(desk, '2040-01-01', { ...WEEK, sun: night, mon: night })
  // The clocks of New York skip 02:00 on 11 March 2040, a Sunday.
  expect(await availability(desk, '2040-03-11')).toMatchObject({ capacity: 3, is_present: true })
  expect(await availability(desk, '2040-03-12')).toMatchObject({ capacity: 4 })
  expect((await desk.book({ date: '2040-03-11', time: '03:00' })).body).toMatchObject({
    slot: 2,
    starts_at: '2040-03-11T03:00:00-04:00',
  })
})

test('after a change of the clinic’s zone unused days follow the new one; the weekday is that of the date', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'clinic:admin'] })
  await set(desk, '2040-01-01', WEEK)
  const at = `/api/v1/clinics/${desk.clinicId}`
  const { headers } = await desk.get(at)
  await desk.send('PATCH', at, JSON.stringify({ time_zone: 'Asia/Tokyo' }), {
    'Content-Type': 'application/json',
    'If-Match': headers.get('ETag') ?? '',
  })
  expect(await availability(desk, SATURDAY)).toMatchObject({ is_present: false })
  expect((await desk.book({ date: MONDAY })).body.starts_at).toBe(`${MONDAY}T09:00:00+09:00`)
})

test('other hours that would change no day are refused, and say what decides; the key stays free', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk()
  const lunch = { working_hours: { ...LONG, breaks: [{ from: '10:00', to: '10:30' }] } }
  await patch(desk, { weekly_hours: { valid_from: TUESDAY, ...WEEK } })
  expect((await patch(desk, { working_hours: SHORT })).body.working_hours).toEqual(SHORT)
  await patch(desk, { weekly_hours: { valid_from: MONDAY, ...WEEK } })
  for (const wanted of [lunch, { capacity: 5 }, { working_hours: null, name: 'Another' }])
    expect(await patch(desk, wanted, 'k')).toMatchObject({
      status: 409,
      body: {
        type: '/problems/weekly_hours_decide',
        message: expect.stringContaining(`decide since ${MONDAY}`),
      },
    })
  const { body } = await desk.get(`${DOCTORS}/${desk.doctorId}`)
  expect([body.name, body.capacity, body.working_hours]).toEqual(['Grace Hopper', 3, SHORT])
  expect((await patch(desk, { name: 'Another' })).body.name).toBe('Another')
  const both = { ...lunch, weekly_hours: { valid_from: TUESDAY, ...WEEK, tue: lunch.working_hours } }
  expect((await patch(desk, both)).status).toBe(200)
  expect((await freeOn(desk, TUESDAY)).length).toBe(5)
  const audit = await desk.get('/api/v1/audit?limit=100')
  const changes = audit.body.filter(({ action }: { action: string }) => action === 'doctor.changed')
  expect(changes).toHaveLength(5)
  await patch(desk, { weekly_hours: null })
  const first = await patch(desk, lunch, 'k')
  expect(first.body.capacity).toBe(5)
  await patch(desk, { weekly_hours: WEEK })
  expect((await patch(desk, lunch, 'k')).text).toBe(first.text)
})
