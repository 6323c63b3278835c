import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { TICKETS_MAX } from '../src/doctor-day/storage/tickets'
import { TICKET_MS } from '../src/live/actions'
import { caller, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { folded, follow, KINDS, livePath, until } from './followers'
import { arrive, at, DAY, NOON, objectOf, openDay } from './live-day'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const stranger = caller()
const REFUSED = { status: 401, body: { type: '/problems/unauthenticated' } }
const ticketsPath = ({ doctorId }: FrontDesk) => `/api/v1/checkins/doctors/${doctorId}/queue/tickets`
const issue = (desk: FrontDesk, wanted: object = {}, key?: string) =>
  desk.post(ticketsPath(desk), { date: DAY, ...wanted }, key ? { 'Idempotency-Key': key } : {})
const ticketFor = async (desk: FrontDesk, view: string) => (await issue(desk, { view })).body.ticket as string
const withTicket = (desk: FrontDesk, ticket: string, more: Record<string, string> = {}) =>
  livePath(desk, { date: DAY, ticket, ...more })
const inStorage = <Result>(desk: FrontDesk, work: (sql: SqlStorage) => Result) =>
  runInDurableObject(objectOf(desk), (_, { storage }) => work(storage.sql))
const stored = (desk: FrontDesk) => inStorage(desk, (sql) => sql.exec('SELECT * FROM tickets').toArray())

test.each(KINDS)('%s: a ticket opens the board of its day without a key, again and again', async (kind) => {
  const desk = await openDay()
  const issued = await issue(desk)
  const { ticket, url } = issued.body
  expect(issued).toMatchObject({
    status: 201,
    body: { view: 'board', date: DAY, expires_at: new Date(NOON + TICKET_MS).toISOString() },
  })
  expect(url).toBe(withTicket(desk, ticket))
  const first = await follow(kind, url)
  await until(first, 0)
  await arrive(desk)
  await until(first, 3)
  await first.cut()
  await evictDurableObject(objectOf(desk))
  const again = await follow(kind, url, { seq: 2 })
  await until(again, 3)
  expect(again.messages).toMatchObject([{ type: 'event', seq: 3, entry: { initials: null } }])
  expect(first.raw + again.raw).not.toContain('Patient')
  await again.cut()
})

test('a desk ticket shows names, and the board where it is asked for', async () => {
  const desk = await openDay()
  await arrive(desk)
  const ticket = await ticketFor(desk, 'desk')
  const atDesk = await follow('WebSocket', withTicket(desk, ticket))
  const board = await follow('WebSocket', withTicket(desk, ticket, { view: 'board' }))
  await Promise.all([until(atDesk, 3), until(board, 3)])
  expect(folded(atDesk.messages)).toMatchObject([{ patient_name: 'Patient 0' }])
  expect(board.raw).not.toContain('Patient')
  await Promise.all([atDesk.cut(), board.cut()])
})

test('a ticket is for one day, one doctor, one view and this one route', async () => {
  const [desk, other] = [await openDay(), await openDay()]
  const ticket = await ticketFor(desk, 'board')
  await ticketFor(other, 'board')
  const day = dayKey(desk.clinicId, desk.doctorId, DAY)
  const wrong = [
    withTicket(desk, ticket, { date: '2040-03-15' }),
    livePath(desk, { ticket }),
    withTicket(other, ticket),
    withTicket(desk, ticket, { view: 'desk' }),
    withTicket(desk, `${day}.${'A'.repeat(43)}`),
    withTicket(desk, ticket.replace(day, dayKey(desk.clinicId, desk.doctorId, '2040-03-15'))),
    withTicket(desk, ''),
    withTicket(desk, `${ticket}x`),
    withTicket(desk, 'nonsense'),
    `/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}&ticket=${ticket}`,
    `/api/v1/patients/${desk.patientIds[0]}?ticket=${ticket}`,
  ]
  for (const path of wrong)
    for (const headers of [{}, { Upgrade: 'websocket' }] as Record<string, string>[])
      expect([path, await stranger.get(path, headers)]).toMatchObject([path, REFUSED])
  expect((await stranger.get(withTicket(desk, ticket))).status).toBe(200)
})

test('a ticket expires after a quarter of an hour; who listens already is not cut off by it', async () => {
  const desk = await openDay()
  const ticket = await ticketFor(desk, 'board')
  at(NOON + TICKET_MS - 1_000)
  const follower = await follow('WebSocket', withTicket(desk, ticket))
  await until(follower, 0)
  at(NOON + TICKET_MS)
  expect(await stranger.get(withTicket(desk, ticket))).toMatchObject(REFUSED)
  await arrive(desk)
  await until(follower, 3)
  await follower.cut()
})

test('who issues a ticket needs a key with the scope, and a doctor of the own clinic', async () => {
  const [desk, other] = [await openDay(), await openFrontDesk()]
  const scopeless = await keyFor(desk.clinicId, ['checkins:write'])
  expect((await scopeless.post(ticketsPath(desk), { date: DAY })).status).toBe(403)
  expect((await other.post(ticketsPath(desk), { date: DAY })).status).toBe(404)
  expect((await stranger.post(ticketsPath(desk), { date: DAY })).status).toBe(401)
  expect((await issue(desk, { view: 'all' })).status).toBe(400)
})

test('a ticket does not touch the day: no event, nothing broken in the chain, and slots as before', async () => {
  const desk = await openDay()
  const { body } = await issue(desk)
  await evictDurableObject(objectOf(desk))
  const day = `/api/v1/doctors/${desk.doctorId}/days/${DAY}`
  expect((await desk.get(`${day}/verify`)).body).toEqual({ ok: true, head: null, count: 0 })
  expect((await desk.get(`${day}/events`)).body).toEqual([])
  expect((await desk.get(day)).body).toMatchObject({ version: 0, remaining: 10 })
  expect((await desk.post(`${day}/resync`)).body).toEqual({ events: 0 })
  const follower = await follow('WebSocket', body.url)
  await until(follower, 0)
  await arrive(desk)
  await until(follower, 3)
  expect((await desk.get(`${day}/verify`)).body).toMatchObject({ ok: true, count: 3 })
  await follower.cut()
})

test('a day that was kept before there were tickets issues them, and loses nothing', async () => {
  const desk = await openDay()
  await arrive(desk)
  const tables = await inStorage(desk, (sql) =>
    sql.exec(`SELECT name FROM sqlite_master WHERE name = 'tickets'`).toArray(),
  )
  expect(tables).toEqual([])
  await evictDurableObject(objectOf(desk))
  const follower = await follow('WebSocket', (await issue(desk, { view: 'desk' })).body.url)
  await until(follower, 3)
  await arrive(desk, 1)
  await until(follower, 5)
  const queue = await desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`)
  expect(folded(follower.messages)).toEqual(queue.body)
  await follower.cut()
})

test('only a digest of a ticket is kept, with the key that asked for it; guessing keeps nothing', async () => {
  const desk = await openDay()
  const { body } = await issue(desk)
  const rows = JSON.stringify(await stored(desk))
  expect(rows).toContain(desk.keyId)
  expect(rows).not.toContain(body.ticket.split('.')[1])
  const unknown = livePath(desk, { date: '2040-03-16', ticket: `${'0'.repeat(20)}.${'A'.repeat(43)}` })
  expect((await stranger.get(unknown)).status).toBe(401)
  const day = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName('0'.repeat(20)))
  const tables = await runInDurableObject(day, (_, { storage }) =>
    storage.sql.exec('SELECT name FROM sqlite_master').toArray(),
  )
  expect(tables).toEqual([])
})

test('a ticket and its secret are in no log line, whether it is good or not', async () => {
  const desk = await openDay()
  const lines: string[] = []
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => void lines.push(parts.join(' ')))
  const { body } = await issue(desk)
  for (const kind of KINDS) await (await follow(kind, body.url)).cut()
  await stranger.get(withTicket(desk, body.ticket, { view: 'desk' }))
  await stranger.get(withTicket(desk, `${body.ticket}x`))
  vi.spyOn(env.DOCTOR_DAY, 'get').mockImplementation(() => {
    throw new Error(`No object for ${body.ticket}`)
  })
  expect((await stranger.get(body.url)).status).toBe(500)
  expect(lines.map((line) => JSON.parse(line).route)).toContain(
    '/api/v1/checkins/doctors/:doctor_id/queue/live',
  )
  expect(lines.length).toBeGreaterThanOrEqual(6)
  for (const line of lines) for (const part of body.ticket.split('.')) expect(line).not.toContain(part)
})

test('a retry with the key is told that the ticket was shown; where the first died, it gets one', async () => {
  const desk = await openDay()
  const broken = vi.spyOn(env.DOCTOR_DAY, 'get').mockImplementationOnce(() => {
    throw new Error('Network connection lost.')
  })
  expect((await issue(desk, {}, 'k')).status).toBe(503)
  broken.mockRestore()
  const second = await issue(desk, {}, 'k')
  expect((await stranger.get(second.body.url)).status).toBe(200)
  at(NOON + 2 * TICKET_MS)
  const third = await issue(desk, {}, 'k')
  expect(third).toMatchObject({ status: 409, body: { type: '/problems/key_shown_once' } })
  expect(await stored(desk)).toHaveLength(1)
})

test('tickets of a day have a limit, and those long expired are swept away', async () => {
  const desk = await openDay()
  await issue(desk)
  await inStorage(desk, (sql) => {
    for (const n of times(TICKETS_MAX - 1, (n) => n))
      sql.exec(`INSERT INTO tickets VALUES (?, ?, 'k', 'c', 'board', ?)`, `h${n}`, `o${n}`, NOON + TICKET_MS)
  })
  const full = await issue(desk)
  expect(full).toMatchObject({ status: 503, body: { type: '/problems/live_full' } })
  expect(full.headers.get('Retry-After')).toBe(String(TICKET_MS / 1_000))
  at(NOON + TICKET_MS)
  expect((await issue(desk)).status).toBe(201)
  expect(await stored(desk)).toHaveLength(TICKETS_MAX + 1)
  at(NOON + TICKET_MS + 24 * 3_600_000)
  expect((await issue(desk)).status).toBe(201)
  expect(await stored(desk)).toHaveLength(2)
})

test('while D1 is gone a board with a ticket comes again and goes on', async () => {
  const desk = await openDay()
  const ticket = await ticketFor(desk, 'board')
  await arrive(desk)
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  const follower = await follow('event stream', withTicket(desk, ticket), { seq: 1 })
  await until(follower, 3)
  expect(follower.messages.map(({ seq }) => seq)).toEqual([2, 3])
  await follower.cut()
})
