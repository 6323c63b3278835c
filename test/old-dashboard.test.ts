import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { MESSAGES_PER_MINUTE_MAX, PICTURE_MS } from '../src/dashboard/dashboard'
import { dashboardKey } from '../src/doctor-day/storage/address'
import { type Client, caller, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { openScreen, pictures, type Screen } from './dashboards'
import { abort } from './faults'
import { keyOf } from './followers'
import { at, DAY, NOON, next, step } from './live-day'
import { soon } from './soon'

afterEach(() => {
  env.CORS_ORIGINS = ''
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const ORIGIN = 'https://dashboard.example.com'
const stranger = caller()
const subscribe = (screen: Screen, date = DAY) => screen.say({ action: 'subscribe', date })
const objectOf = (desk: Client) => env.DASHBOARD.get(env.DASHBOARD.idFromName(dashboardKey(desk.clinicId)))
const shownTo = (screen: Screen) => pictures(screen).at(-1)
const total = (screen: Screen, count: number) =>
  soon(() => expect(shownTo(screen)?.total_appointments).toBe(count))

async function openDesk(patients = 3): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients })
  at(NOON)
  return desk
}

test('what the old dashboard does: search, register, list, book with time_slot, check in, and see it live', async () => {
  env.CORS_ORIGINS = ORIGIN
  const desk = await openDesk(0)
  const from = { Origin: ORIGIN }
  const preflight = await desk.send('OPTIONS', '/api/v1/appointments', null, {
    ...from,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'authorization,content-type',
  })
  expect([preflight.status, preflight.headers.get('Access-Control-Allow-Origin')]).toEqual([204, ORIGIN])
  const screen = await openScreen({ ...keyOf(desk), ...from })
  subscribe(screen)
  await soon(() => expect(screen.messages).toHaveLength(1))
  expect(screen.messages[0]).toEqual({
    type: 'snapshot',
    data: {
      date: DAY,
      total_appointments: 0,
      total_doctors: 0,
      timestamp: expect.stringContaining(DAY),
      doctors: [],
    },
  })

  const phone = '+1 202 555 0177'
  const search = () => desk.get(`/api/v1/patients/search?phone=${encodeURIComponent(phone)}`, from)
  expect(await search()).toMatchObject({ status: 200, body: null })
  const patient = await desk.post(
    '/api/v1/patients',
    { name: 'Mary Jackson', phone, age: 40, gender: 'female' },
    from,
  )
  expect([patient.status, patient.headers.get('Access-Control-Allow-Origin')]).toEqual([201, ORIGIN])
  expect((await search()).body).toMatchObject({ id: patient.body.id })
  const [doctor] = (await desk.get(`/api/v1/doctors?date=${DAY}`, from)).body
  expect(doctor).toMatchObject({ is_available: true })
  const wanted = { patient_id: patient.body.id, doctor_id: doctor.id, date: DAY, time_slot: 10 }
  const booked = await desk.post('/api/v1/appointments', wanted, from)
  expect(booked).toMatchObject({ status: 201, body: { slot: 1, time_slot: 10, status: 'booked' } })
  await total(screen, 1)
  const shown = {
    appointment_id: booked.body.id,
    slot: 1,
    patient: { id: patient.body.id, name: 'Mary Jackson', phone: '+12025550177', age: 40, gender: 'female' },
  }
  const doctorShown = { id: doctor.id, name: 'Grace Hopper', code: 'GH', specialty: null }
  expect(shownTo(screen)).toEqual({
    date: DAY,
    total_appointments: 1,
    total_doctors: 1,
    timestamp: expect.any(String),
    doctors: [
      {
        doctor: doctorShown,
        total_appointments: 1,
        checked_in_count: 0,
        appointments: [{ ...shown, status: 'booked', queue: null }],
      },
    ],
  })
  const arrived = await desk.post('/api/v1/checkins', {
    appointment_id: booked.body.id,
    patient_id: patient.body.id,
  })
  await soon(() => expect(shownTo(screen)?.doctors[0]?.checked_in_count).toBe(1))
  const queue = { position: 1, checked_in_at: arrived.body.checked_in_at, status: 'waiting' }
  expect(shownTo(screen)?.doctors[0]?.appointments).toEqual([{ ...shown, status: 'checked_in', queue }])
  expect(screen.messages.map((message) => ('type' in message ? message.type : ''))).toEqual([
    'snapshot',
    ...times(screen.messages.length - 1, () => 'update'),
  ])
  screen.cut()
})

test('statuses in the older words: a called patient waits, a no-show and a cancelled visit are left out', async () => {
  const desk = await openDesk(5)
  const ids: string[] = []
  for (const patient of times(5, (n) => n)) {
    const { body } = await desk.book({ date: DAY, patient })
    ids.push(body.id)
    if (patient < 3)
      await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  }
  for (const room of ['1', '2', '3']) await next(desk, room)
  await step(desk, ids[0] ?? '', 'serve')
  await step(desk, ids[1] ?? '', 'skip')
  await desk.post(`/api/v1/appointments/${ids[3]}/cancel`, {})
  await step(desk, ids[4] ?? '', 'no-show')
  const screen = await openScreen(keyOf(desk))
  subscribe(screen)
  await total(screen, 3)
  expect(shownTo(screen)?.doctors[0]?.appointments).toMatchObject([
    { appointment_id: ids[0], slot: 1, status: 'completed', queue: { position: 1, status: 'served' } },
    { appointment_id: ids[1], slot: 2, status: 'checked_in', queue: { position: 2, status: 'skipped' } },
    { appointment_id: ids[2], slot: 3, status: 'checked_in', queue: { position: 3, status: 'waiting' } },
  ])
  expect(shownTo(screen)?.doctors[0]?.checked_in_count).toBe(3)
  screen.cut()
})

test('doctors come by name, only those with appointments, also one whose day is used for the first time', async () => {
  const desk = await openDesk(2)
  const doctor = (name: string, code: string) => desk.post('/api/v1/doctors', { name, code })
  const [ada, zoe] = [await doctor('Ada Adams', 'AA'), await doctor('Zoe Zimmer', 'ZZ')]
  await doctor('Nobody Books', 'NB')
  await desk.book({ date: DAY })
  const screen = await openScreen(keyOf(desk))
  subscribe(screen)
  await total(screen, 1)
  await desk.book({ date: DAY, doctorId: zoe.body.id })
  await desk.book({ date: DAY, doctorId: ada.body.id, patient: 1 })
  await total(screen, 3)
  expect(shownTo(screen)?.doctors.map(({ doctor: { name } }) => name)).toEqual([
    'Ada Adams',
    'Grace Hopper',
    'Zoe Zimmer',
  ])
  screen.cut()
})

test('the dashboard is told what it did wrong, in the words that it knows, and goes on', async () => {
  const desk = await openDesk()
  const screen = await openScreen(keyOf(desk))
  const answers = async (said: object | string) => {
    const before = screen.messages.length
    screen.say(said)
    await soon(() => expect(screen.messages.length).toBeGreaterThan(before))
    return screen.messages.at(-1)
  }
  const noDate = { error: "Missing 'date' field in subscribe message" }
  const badDate = { error: 'Invalid date format. Use YYYY-MM-DD' }
  expect(await answers({ action: 'subscribe' })).toEqual(noDate)
  expect(await answers({ action: 'subscribe', date: null })).toEqual(noDate)
  for (const date of ['14.03.2040', '2040-02-30', 'today', 20400314, {}])
    expect([date, await answers({ action: 'subscribe', date })]).toEqual([date, badDate])
  expect(await answers({ action: 'dance' })).toEqual({ error: 'Unknown action: dance' })
  expect(await answers({})).toEqual({ error: 'Unknown action: undefined' })
  for (const text of ['{"action":', 'ping', '[]', '"ping"', 'null', `{"action":"${'x'.repeat(2_000)}"}`])
    expect([text, await answers(text)]).toEqual([text, { error: 'Invalid JSON message' }])
  expect(await answers({ action: 'ping' })).toEqual({ type: 'pong', timestamp: expect.stringContaining(DAY) })
  screen.cut()
})

test('after unsubscribe nothing comes, and another date can be asked for', async () => {
  const desk = await openDesk(2)
  await desk.book({ date: '2040-03-15', patient: 1 })
  const [screen, other] = [await openScreen(keyOf(desk)), await openScreen(keyOf(desk))]
  subscribe(screen)
  subscribe(other)
  await total(screen, 0)
  screen.say({ action: 'unsubscribe' })
  await soon(() =>
    expect(screen.messages.at(-1)).toEqual({ type: 'unsubscribed', message: expect.any(String) }),
  )
  await desk.book({ date: DAY })
  await total(other, 1)
  expect(pictures(screen)).toHaveLength(1)
  subscribe(screen, '2040-03-15')
  await total(screen, 1)
  expect(shownTo(screen)).toMatchObject({ date: '2040-03-15' })
  expect(screen.messages.at(-1)).toMatchObject({ type: 'snapshot' })
  screen.cut()
  other.cut()
})

test('each dashboard gets pictures of its own date alone', async () => {
  const desk = await openDesk(3)
  const dates = [DAY, '2040-03-15']
  await desk.book({ date: DAY })
  await desk.book({ date: '2040-03-15', patient: 1 })
  const screens = await Promise.all(dates.map(() => openScreen(keyOf(desk))))
  for (const [n, screen] of screens.entries()) subscribe(screen, dates[n])
  await Promise.all(screens.map((screen) => total(screen, 1)))
  for (const date of dates) await desk.book({ date, patient: 2 })
  await Promise.all(screens.map((screen) => total(screen, 2)))
  const shown = screens.map((screen) => [...new Set(pictures(screen).map(({ date }) => date))])
  expect(shown).toEqual(dates.map((date) => [date]))
  for (const screen of screens) screen.cut()
})

test('a rush is shown in at most four pictures a second, and the last of them is whole', async () => {
  const desk = await openFrontDesk({ patients: 30, capacity: 100 })
  at(NOON)
  await desk.book({ date: DAY, patient: 0 })
  const screen = await openScreen(keyOf(desk))
  subscribe(screen)
  await total(screen, 1)
  for (const patient of times(29, (n) => n + 1)) await desk.book({ date: DAY, patient })
  await total(screen, 30)
  const lastedMs = (screen.cameAt.at(-1) ?? 0) - (screen.cameAt[0] ?? 0)
  expect(screen.messages.length).toBeLessThanOrEqual(lastedMs / PICTURE_MS + 2)
  const { body } = await desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`)
  expect(shownTo(screen)?.doctors[0]?.appointments.map(({ appointment_id }) => appointment_id)).toEqual(
    body.map(({ id }: { id: string }) => id),
  )
  screen.cut()
})

test('a key that may not read patients sees names and no phone; so does a ticket that it issues', async () => {
  const desk = await openDesk()
  const born = { birth_date: `${Number(DAY.slice(0, 4)) - 34}${DAY.slice(4)}` }
  const path = `/api/v1/patients/${desk.patientIds[0]}`
  expect((await desk.send('PATCH', path, JSON.stringify(born), { 'If-Match': '"1"' })).status).toBe(200)
  await desk.book({ date: DAY })
  const narrow = await keyFor(desk.clinicId, ['checkins:read', 'appointments:read'])
  const screens: Screen[] = []
  for (const key of [narrow, desk]) {
    const { body } = await key.post('/api/v1/ws/tickets')
    expect(body).toMatchObject({
      url: `/api/v1/ws/queue?ticket=${body.ticket}`,
      expires_at: expect.any(String),
    })
    screens.push(await openScreen(keyOf(key)), await openScreen({}, body.url))
  }
  for (const screen of screens) subscribe(screen)
  await Promise.all(screens.map((screen) => total(screen, 1)))
  const patients = screens.map((screen) => shownTo(screen)?.doctors[0]?.appointments[0]?.patient)
  const named = { id: desk.patientIds[0], name: 'Patient 0', phone: null, age: null, gender: null }
  const whole = { ...named, phone: '+12025550000', age: 34 }
  expect(patients).toEqual([named, named, whole, whole])
  for (const screen of screens) screen.cut()
})

test('who opens the socket needs both scopes, or a ticket of this kind', async () => {
  const [desk, other] = [await openDesk(), await openFrontDesk()]
  const upgrade = { Upgrade: 'websocket' }
  const path = '/api/v1/ws/queue'
  for (const scopes of [['checkins:read'], ['appointments:read'], ['patients:read']]) {
    const key = await keyFor(desk.clinicId, scopes)
    expect((await key.get(path, upgrade)).status).toBe(403)
    expect((await key.post('/api/v1/ws/tickets')).status).toBe(403)
  }
  expect((await stranger.get(path, upgrade)).status).toBe(401)
  expect((await desk.get(path)).body).toMatchObject({ errors: [{ field: 'Upgrade' }] })
  const { body } = await desk.post('/api/v1/ws/tickets')
  const day = await desk.post('/api/v1/days/tickets', { date: DAY, view: 'desk' })
  const queue = await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`, { date: DAY })
  const foreign = (await other.post('/api/v1/ws/tickets')).body.ticket as string
  const wrong = [
    `${path}?ticket=${body.ticket}x`,
    `${path}?ticket=`,
    `${path}?ticket=${day.body.ticket}`,
    `${path}?ticket=${queue.body.ticket}`,
    `${path}?ticket=${foreign.replace(dashboardKey(other.clinicId), dashboardKey(desk.clinicId))}`,
    `/api/v1/days/live?date=${DAY}&ticket=${body.ticket}`,
    `/api/v1/checkins/doctors/${desk.doctorId}/queue/live?date=${DAY}&ticket=${body.ticket}`,
  ]
  for (const url of wrong) expect([url, (await stranger.get(url, upgrade)).status]).toEqual([url, 401])
})

test('a dashboard shows nothing of another clinic on the same date', async () => {
  const [desk, other] = [await openDesk(), await openFrontDesk()]
  await desk.book({ date: DAY })
  await other.book({ date: DAY })
  const screen = await openScreen(keyOf(other))
  subscribe(screen)
  await total(screen, 1)
  await desk.post(`/api/v1/appointments/waitlist`, {
    doctor_id: desk.doctorId,
    date: DAY,
    patient_id: desk.patientIds[1],
  })
  expect(shownTo(screen)?.doctors[0]?.appointments[0]?.patient?.id).toBe(other.patientIds[0])
  const text = JSON.stringify(screen.messages)
  for (const id of [...desk.patientIds, desk.doctorId]) expect(text).not.toContain(id)
  screen.cut()
})

test('a screen that sends too much is closed, and the others are not', async () => {
  const desk = await openDesk()
  const [loud, quiet] = [await openScreen(keyOf(desk)), await openScreen(keyOf(desk))]
  for (const _ of times(MESSAGES_PER_MINUTE_MAX + 1, (n) => n)) loud.say({ action: 'ping' })
  await soon(() => expect(loud.end).toEqual({ code: 1008 }))
  expect(loud.messages).toHaveLength(MESSAGES_PER_MINUTE_MAX)
  subscribe(quiet)
  await total(quiet, 0)
  quiet.cut()
})

test('a socket outlives an eviction; after a reset of the object the dashboard connects again and sees all', async () => {
  const desk = await openDesk()
  await desk.book({ date: DAY })
  const screen = await openScreen(keyOf(desk))
  await evictDurableObject(objectOf(desk))
  subscribe(screen)
  await total(screen, 1)
  await abort(objectOf(desk))
  await desk.book({ date: DAY, patient: 1 })
  const again = await openScreen(keyOf(desk))
  subscribe(again)
  await total(again, 2)
  again.cut()
})

test('while D1 is gone a dashboard is told of what happens on the days that it shows, and when D1 is back, of all', async () => {
  const desk = await openDesk()
  await desk.book({ date: DAY })
  const screen = await openScreen(keyOf(desk))
  subscribe(screen)
  await total(screen, 1)
  const { body } = await desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`)
  const gone = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  await desk.post('/api/v1/checkins', { appointment_id: body[0].id, patient_id: body[0].patient_id })
  await soon(() => expect(shownTo(screen)?.doctors[0]?.checked_in_count).toBe(1))
  gone.mockRestore()
  await desk.book({ date: DAY, patient: 1 })
  await total(screen, 2)
  screen.cut()
})

test('the socket of a revoked key, and of its ticket, is closed', async () => {
  const desk = await openDesk()
  const key = await keyFor(desk.clinicId, ['checkins:read', 'appointments:read'])
  const { url } = (await key.post('/api/v1/ws/tickets')).body
  const screens = [await openScreen(keyOf(key)), await openScreen({}, url), await openScreen(keyOf(desk))]
  await env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE id = ?').bind(key.keyId).run()
  at(NOON + 10_000)
  await runDurableObjectAlarm(objectOf(desk))
  await soon(() => expect(screens.map(({ end }) => end?.code)).toEqual([4001, 4001, undefined]))
  expect((await stranger.get(url, { Upgrade: 'websocket' })).status).toBe(401)
  screens[2]?.cut()
})
