import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { newSecret } from '../src/lib/crypto'
import { TICKET_MS } from '../src/live/actions'
import { newTicket } from '../src/live/ticket'
import { caller, type FrontDesk, openFrontDesk, statuses, times } from './clinic'
import { livePath } from './followers'
import { at, DAY, NOON, openDay } from './live-day'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const SECRET = env.DOCTORDAY_SECRET
const OTHER_SECRET = 'another-secret-of-at-least-32-characters'
const stranger = caller()
const withTicket = (desk: FrontDesk, ticket: string, more: Record<string, string> = {}) =>
  stranger.get(livePath(desk, { date: DAY, ticket, ...more }))
const issue = async (desk: FrontDesk, view = 'board'): Promise<string> =>
  (await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`, { date: DAY, view })).body
    .ticket

/** How often an object of a day, or D1, was reached. */
function reached() {
  const spies = [
    vi.spyOn(env.DOCTOR_DAY, 'get'),
    vi.spyOn(env.DOCTOR_DAY, 'idFromName'),
    vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare'),
  ]
  return () => spies.reduce((count, { mock }) => count + mock.calls.length, 0)
}

const dayOf = (desk: FrontDesk, date = DAY) => dayKey(desk.clinicId, desk.doctorId, date)
const factsOf = (desk: FrontDesk) => ({
  day: dayOf(desk),
  doctorId: desk.doctorId,
  date: DAY,
  view: 'board' as const,
  expiresAt: NOON + TICKET_MS,
})

test('a made-up ticket, or a real one with any character changed or cut, reaches no object', async () => {
  const desk = await openDay()
  const ticket = await issue(desk)
  const [day = '', rest = ''] = ticket.split('.')
  const asked = reached()
  const changed = times(ticket.length, (n) => {
    const other = ticket[n] === 'a' ? 'b' : 'a'
    return ticket.slice(0, n) + other + ticket.slice(n + 1)
  })
  for (const wrong of [
    ...changed,
    ...[0, 1, 20, 21, 40, 64, ticket.length - 1].map((length) => ticket.slice(0, length)),
    `${day}.${newSecret()}`,
    `${day}.${newSecret(57)}`,
    `${'0'.repeat(20)}.${newSecret(57)}`,
    `${day}.${rest}.${rest}`,
    `${day}.${rest}=`,
    ` ${ticket}`,
    `${day.toUpperCase()}.${rest}`,
    newTicket(OTHER_SECRET, factsOf(desk)),
  ])
    expect([wrong, (await withTicket(desk, wrong)).status]).toEqual([wrong, 401])
  expect(asked()).toBe(0)
  expect((await withTicket(desk, ticket)).status).toBe(200)
})

test('a ticket of another day, doctor, clinic or view reaches no object', async () => {
  const [desk, other] = [await openDay(), await openDay()]
  const [board, atDesk] = [await issue(desk), await issue(desk, 'desk')]
  const asked = reached()
  for (const reply of [
    await withTicket(desk, board, { date: '2040-03-15' }),
    await withTicket(desk, board, { date: '' }),
    await withTicket(desk, board, { view: 'desk' }),
    await withTicket(other, board),
    await withTicket(desk, board.replace(dayOf(desk), dayOf(desk, '2040-03-15')), { date: '2040-03-15' }),
    await withTicket(other, atDesk.replace(dayOf(desk), dayOf(other))),
    await stranger.get(livePath(desk, { ticket: board })),
  ])
    expect([400, 401]).toContain(reply.status)
  expect(asked()).toBe(0)
  expect((await withTicket(desk, atDesk, { view: 'board' })).status).toBe(200)
})

test('an expired ticket reaches no object', async () => {
  const desk = await openDay()
  const ticket = await issue(desk)
  for (const later of [TICKET_MS, TICKET_MS + 1, 24 * 3_600_000]) {
    at(NOON + later)
    const asked = reached()
    expect((await withTicket(desk, ticket)).status).toBe(401)
    expect(asked()).toBe(0)
    vi.restoreAllMocks()
  }
})

test('a ticket that the deployment signed and the day never issued opens nothing', async () => {
  const desk = await openDay()
  expect((await withTicket(desk, newTicket(SECRET, factsOf(desk)))).status).toBe(401)
})

test('a ticket of the previous secret is valid while that is live', async () => {
  const desk = await openDay()
  const ticket = await issue(desk)
  const before = env.DOCTORDAY_SECRET
  const withSecret = async (setting: string) => {
    Object.assign(env, { DOCTORDAY_SECRET: setting })
    return (await withTicket(desk, ticket).finally(() => Object.assign(env, { DOCTORDAY_SECRET: before })))
      .status
  }
  expect(await withSecret(`${OTHER_SECRET},${before}`)).toBe(200)
  expect(await withSecret(OTHER_SECRET)).toBe(401)
})

test('a thousand made-up tickets reach no object, as WebSockets, streams and HEAD alike', async () => {
  const desk = await openFrontDesk()
  const asked = reached()
  const paths = times(1_000, () => livePath(desk, { date: DAY, ticket: `${newSecret(15)}.${newSecret(57)}` }))
  const replies = await Promise.all(
    paths.map((path, n) =>
      stranger.send(n % 3 === 2 ? 'HEAD' : 'GET', path, null, n % 3 === 1 ? { Upgrade: 'websocket' } : {}),
    ),
  )
  expect(statuses(replies)).toEqual({ 401: 1_000 })
  expect(asked()).toBe(0)
})
