import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { allPages, DAY, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { soon } from './soon'

const at = (instant: string) => vi.useFakeTimers({ now: Date.parse(instant), toFake: ['Date'] })
afterEach(() => {
  vi.useRealTimers()
})

const HOURS = { from: '09:00', to: '12:00', minutes_per_slot: 30 }

async function openMorning(working_hours: object = HOURS, timeZone = 'UTC'): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients: 4, timeZone })
  await desk.send('PATCH', `/api/v1/doctors/${desk.doctorId}`, JSON.stringify({ working_hours }))
  return desk
}

interface Listed {
  doctor_id: string
  date: string
  slot: number
  starts_at: string
}
const slotsOf = (desk: FrontDesk, search = `from=${DAY}&to=${DAY}`) =>
  desk.get(`/api/v1/doctors/${desk.doctorId}/slots?${search}`)
const numbers = (body: Listed[]) => body.map(({ slot }) => slot)

test('the free slots of a doctor are those that are not booked, held or offered, with their times', async () => {
  const desk = await openMorning(HOURS, 'America/New_York')
  expect(numbers((await slotsOf(desk)).body)).toEqual([1, 2, 3, 4, 5, 6])
  await desk.book({ date: DAY, patient: 0, slot: 2 })
  await desk.post('/api/v1/appointments/holds', {
    doctor_id: desk.doctorId,
    date: DAY,
    ttl_seconds: 60,
    slot: 4,
  })
  await soon(async () => expect(numbers((await slotsOf(desk)).body)).toEqual([1, 3, 5, 6]))
  const { body, headers } = await slotsOf(desk)
  expect(body[1]).toEqual({
    doctor_id: desk.doctorId,
    date: DAY,
    slot: 3,
    starts_at: `${DAY}T10:00:00-04:00`,
    ends_at: `${DAY}T10:30:00-04:00`,
  })
  expect(Date.parse(headers.get('X-As-Of') ?? '')).toBeGreaterThan(0)
  // What is listed can be booked.
  expect((await desk.book({ date: DAY, patient: 1, starts_at: body[1].starts_at })).status).toBe(201)
})

test('a lunch break takes the slots that it touches, on a day in use too, and leaves the others as they are', async () => {
  const desk = await openMorning()
  const { body: booked } = await desk.book({ date: DAY, time: '11:00' })
  const withBreak = { ...HOURS, breaks: [{ from: '10:00', to: '10:40' }] }
  const set = (working_hours: object) =>
    desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: DAY, is_present: true, working_hours })
  expect((await set(withBreak)).body).toMatchObject({ capacity: 4, working_hours: withBreak })
  await soon(async () => expect(numbers((await slotsOf(desk)).body)).toEqual([1, 2, 6]))
  const refused = await desk.book({ date: DAY, patient: 1, time: '10:00' })
  expect([refused.status, refused.body.type]).toEqual([422, '/problems/no_such_slot'])
  expect((await desk.get(`/api/v1/appointments/${booked.id}`)).body).toMatchObject({
    slot: 5,
    status: 'booked',
  })
  const over = await set({ ...HOURS, breaks: [{ from: '11:00', to: '11:30' }] })
  expect([over.status, over.body.type]).toEqual([409, '/problems/break_taken'])
  const { body: ledger } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  expect(ledger).toMatchObject({ capacity: 4, booked: 1, remaining: 3 })
  expect(numbers(ledger.slots)).toEqual([1, 2, 5, 6])
})

test('breaks of a doctor’s usual hours hold on each new day; those that cannot be are 400 and say why', async () => {
  const desk = await openMorning({ ...HOURS, breaks: [{ from: '10:30', to: '11:00' }] })
  expect(numbers((await slotsOf(desk)).body)).toEqual([1, 2, 3, 5, 6])
  const booked = await Promise.all(
    times(6, (n) => desk.book({ date: DAY, patient: n % 4, allow_another: true })),
  )
  expect(booked.map(({ body }) => body.slot).sort()).toEqual([1, 2, 3, 5, 6, undefined])
  for (const [breaks, words] of [
    [[{ from: '08:00', to: '09:30' }], 'between from and to'],
    [[{ from: '10:00', to: '10:00' }], 'between from and to'],
    [
      [
        { from: '11:00', to: '11:30' },
        { from: '10:00', to: '10:30' },
      ],
      'in order',
    ],
    [[{ from: '09:00', to: '12:00' }], 'at least one slot'],
    [times(11, () => ({ from: '10:00', to: '10:01' })), 'at most 10'],
    [[{ from: '25:00', to: '26:00' }], 'time like'],
  ] as const) {
    const { status, body } = await desk.send(
      'PATCH',
      `/api/v1/doctors/${desk.doctorId}`,
      JSON.stringify({ working_hours: { ...HOURS, breaks } }),
    )
    expect([status, body.message]).toEqual([400, expect.stringContaining(words)])
  }
})

test('slots that have begun, days that are over and doctors who are absent are in no list', async () => {
  const desk = await openMorning()
  const NEXT = '2040-03-15'
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: NEXT, is_present: false })
  at(`${DAY}T10:10:00Z`)
  await soon(async () => {
    const { body } = await slotsOf(desk, `from=2040-03-10&to=${NEXT}`)
    expect(body.map(({ date, slot }: Listed) => [date, slot])).toEqual([
      [DAY, 4],
      [DAY, 5],
      [DAY, 6],
    ])
  })
})

test('a list of all doctors goes by date, time and doctor, by specialty, and page by page', async () => {
  const desk = await openMorning()
  const add = async (code: string, specialty: string, working_hours: object | null) =>
    (await desk.post('/api/v1/doctors', { name: code, code, specialty, working_hours })).body.id
  const heart = await add('H', 'Cardiology', { from: '09:15', to: '10:45', minutes_per_slot: 45 })
  const plain = await add('P', 'cardiology', null)
  const all = await desk.get(`/api/v1/slots?from=${DAY}&to=2040-03-15&specialty=CARDIOLOGY`)
  const shown = all.body.map(({ doctor_id, date, slot }: Listed) => [doctor_id === heart, date, slot])
  expect(shown.slice(0, 3)).toEqual([
    [true, DAY, 1],
    [true, DAY, 2],
    [false, DAY, 1],
  ])
  expect(all.body).toHaveLength(2 * (2 + 10))
  const pages = await allPages(desk, `/api/v1/slots?from=${DAY}&to=2040-03-15&specialty=cardiology&limit=5`)
  expect(pages.length).toBe(5)
  expect(pages.flatMap(({ body }) => body)).toEqual(all.body)
  const everyone = await desk.get(`/api/v1/slots?from=${DAY}&to=${DAY}&limit=1000`)
  expect(new Set(everyone.body.map((one: Listed) => one.doctor_id))).toEqual(
    new Set([desk.doctorId, heart, plain]),
  )
  const starts = everyone.body.flatMap(({ starts_at }: Listed) => starts_at ?? [])
  expect(starts).toEqual([...starts].sort())
})

test('a range that is too long or turned round is 400; a key without appointments:read is 403', async () => {
  const desk = await openMorning()
  for (const search of [`from=${DAY}&to=2040-05-15`, `from=${DAY}&to=2040-03-13`, 'from=2040-02-30'])
    expect([search, await slotsOf(desk, search)]).toMatchObject([
      search,
      { status: 400, body: { detail: expect.stringMatching(/^(from|to|limit|cursor|specialty) /) } },
    ])
  expect((await slotsOf(desk, `from=${DAY}&to=2040-05-14`)).status).toBe(200)
  const other = await keyFor(desk.clinicId, ['patients:read'])
  expect((await other.get(`/api/v1/doctors/${desk.doctorId}/slots`)).status).toBe(403)
  expect((await other.get('/api/v1/slots')).status).toBe(403)
})

test('a day that was copied before the copy had its slots is asked itself', async () => {
  const desk = await openMorning()
  await desk.book({ date: DAY, slot: 3 })
  await soon(async () => expect(numbers((await slotsOf(desk)).body)).toEqual([1, 2, 4, 5, 6]))
  await env.DB.prepare('UPDATE days SET taken_slots = NULL, terms = NULL WHERE clinic_id = ?')
    .bind(desk.clinicId)
    .run()
  expect(numbers((await slotsOf(desk)).body)).toEqual([1, 2, 4, 5, 6])
})
