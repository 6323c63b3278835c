import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { KEYS_ASKED_EVERY_MS } from '../src/doctor-day/readers/key-watch'
import { type Client, openFrontDesk } from './clinic'
import { follow, until } from './followers'
import { arrive, at, DAY, NOON, objectOf, onDay, withKey } from './live-day'

afterEach(() => {
  env.BOARD_INITIALS = 'false'
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const MINUTE = 60_000
const WAITLIST = '/api/v1/appointments/waitlist'

const openClinicDesk = (more: Parameters<typeof openFrontDesk>[0] = {}) =>
  openFrontDesk({ scopes: ['*', 'clinic:admin'], ...more })

async function decide(manager: Client, settings: object) {
  const path = `/api/v1/clinics/${manager.clinicId}`
  const match = { 'If-Match': (await manager.get(path)).headers.get('ETag') ?? '' }
  return manager.send('PATCH', path, JSON.stringify({ settings }), match)
}

test('a clinic decides how long its offers last and what its boards show, and can leave it to the deployment again', async () => {
  const desk = await openClinicDesk()
  const undecided = { allow_another: false, board_initials: null, waitlist_offer_minutes: null }
  expect((await desk.get('/api/v1/clinics')).body[0].settings).toEqual(undecided)
  const decided = { board_initials: true, waitlist_offer_minutes: 45 }
  expect((await decide(desk, decided)).body.settings).toEqual({ ...undecided, ...decided })
  expect((await decide(desk, { allow_another: true })).body.settings).toEqual({
    ...{ allow_another: true, ...decided },
  })
  expect((await decide(desk, { board_initials: null })).body.settings).toMatchObject({
    ...{ board_initials: null, waitlist_offer_minutes: 45 },
  })
  expect((await decide(desk, { waitlist_offer_minutes: null, allow_another: false })).body.settings).toEqual(
    undecided,
  )
})

test.each([
  [{ waitlist_offer_minutes: 0 }, 'settings.waitlist_offer_minutes'],
  [{ waitlist_offer_minutes: 1_441 }, 'settings.waitlist_offer_minutes'],
  [{ waitlist_offer_minutes: 1.5 }, 'settings.waitlist_offer_minutes'],
  [{ waitlist_offer_minutes: '15' }, 'settings.waitlist_offer_minutes'],
  [{ board_initials: 'yes' }, 'settings.board_initials'],
  [{ allow_another: 1 }, 'settings.allow_another'],
])('the settings %j are refused, and named', async (settings, field) => {
  const reply = await decide(await openClinicDesk(), settings)
  expect([reply.status, reply.body.errors[0].field]).toEqual([400, field])
})

/** Offers on a day with one slot; the deadline of the offer that patient `n` has. */
const endOf = (minutes: number) => new Date(Date.now() + minutes * MINUTE).toISOString()
const placeOf = async (desk: Awaited<ReturnType<typeof openClinicDesk>>, n: number, date = DAY) =>
  (await desk.post(WAITLIST, { doctor_id: desk.doctorId, date, patient_id: desk.patientIds[n] })).body

test('an offer lasts as long as the clinic said when the patient joined, also the next one after it', async () => {
  const desk = await openClinicDesk({ patients: 4, capacity: 1 })
  at(NOON)
  const { body: booked } = await desk.book({ date: DAY })
  await placeOf(desk, 1)
  await decide(desk, { waitlist_offer_minutes: 45 })
  await placeOf(desk, 2)
  await decide(desk, { waitlist_offer_minutes: 5 })
  await placeOf(desk, 3)
  await desk.post(`/api/v1/appointments/${booked.id}/cancel`)
  expect((await placeOf(desk, 1)).offer.expires_at).toBe(endOf(15))
  at(NOON + 15 * MINUTE)
  expect((await placeOf(desk, 2)).offer.expires_at).toBe(endOf(45))
  at(NOON + 60 * MINUTE)
  expect((await placeOf(desk, 3)).offer.expires_at).toBe(endOf(5))
})

test('who joins while a slot is free, and who wishes for any of several days, gets the minutes of the clinic', async () => {
  const desk = await openClinicDesk({ patients: 2, capacity: 2 })
  at(NOON)
  await decide(desk, { waitlist_offer_minutes: 30 })
  expect((await placeOf(desk, 0)).offer.expires_at).toBe(endOf(30))
  const dates = ['2040-03-19', '2040-03-20']
  const wish = { doctor_id: desk.doctorId, patient_id: desk.patientIds[1], dates }
  expect((await desk.post(WAITLIST, wish)).status).toBe(201)
  for (const date of dates) expect((await placeOf(desk, 1, date)).offer.expires_at).toBe(endOf(30))
})

test('a patient whom an absence puts on the waitlist of another day gets the minutes of the clinic', async () => {
  const desk = await openClinicDesk({ patients: 2, capacity: 1 })
  at(NOON)
  await decide(desk, { waitlist_offer_minutes: 30 })
  const target = '2040-03-19'
  const { body: taken } = await desk.book({ date: target, patient: 1 })
  await desk.book({ date: DAY })
  const absence = `/api/v1/doctors/${desk.doctorId}/days/${DAY}/absence`
  const { body } = await desk.post(absence, { reason: 'Ill', move_to: { date: target } })
  expect(body.waitlisted).toHaveLength(1)
  await desk.post(`/api/v1/appointments/${taken.id}/cancel`)
  expect((await placeOf(desk, 0, target)).offer.expires_at).toBe(endOf(30))
})

const initialsOf = (raw: string): string[] =>
  [...raw.matchAll(/"initials":("\w+"|null)/g)].map(([, found = '']) => found)

test('a board shows initials where the clinic wants them, and none within ten seconds after it does not', async () => {
  const desk = await openClinicDesk({ patients: 2 })
  at(NOON)
  await decide(desk, { board_initials: true })
  await arrive(desk, 0)
  const board = await follow('WebSocket', onDay(desk, { view: 'board' }), withKey(desk))
  await until(board, 3)
  expect(initialsOf(board.raw)).toEqual(['"P0"'])
  await decide(desk, { board_initials: false })
  env.BOARD_INITIALS = 'true'
  at(NOON + KEYS_ASKED_EVERY_MS)
  await runDurableObjectAlarm(objectOf(desk))
  await vi.waitFor(() => expect(board.messages).toHaveLength(2))
  expect(board.messages[1]).toMatchObject({ type: 'snapshot', entries: [{ position: 1, initials: null }] })
  await arrive(desk, 1)
  await until(board, 5)
  expect(initialsOf(board.raw)).toEqual(['"P0"', 'null', 'null'])
  await board.cut()
})

test('a clinic that does not say gets what the deployment says; another clinic’s wish changes nothing', async () => {
  const [desk, other] = [await openClinicDesk(), await openClinicDesk()]
  at(NOON)
  await decide(other, { board_initials: true })
  await arrive(desk, 0)
  const board = await follow('event stream', onDay(desk, { view: 'board' }), withKey(desk))
  await until(board, 3)
  expect(initialsOf(board.raw)).toEqual(['null'])
  await board.cut()
})
