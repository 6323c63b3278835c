import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { allPages, type FrontDesk, openFrontDesk, type Reply, times } from './clinic'
import { abort, betweenDays } from './faults'
import { objectOf } from './moves'
import { rounds } from './rounds'
import { soon } from './soon'
import { getWish, WAITLIST, waitlistOn } from './wishes'

const DATES = ['2040-06-01', '2040-06-02', '2040-06-03', '2040-06-04']
const STEPS = rounds(150, 1_500)
const [CAPACITY, PATIENTS, AT_ONCE] = [2, 12, 6]
const BETWEEN = ['join_wish', 'claim_wish', 'report_wish', 'end_place']

afterEach(() => {
  vi.restoreAllMocks()
})

/** What callers were told: the model has nothing but this. */
interface Told {
  /** By wish: the appointments that accepts of its places were answered with. */
  booked: Map<string, Set<string>>
  wishes: Set<string>
  left: Set<string>
  /** Appointments that may be cancelled. */
  active: Set<string>
  counts: Record<string, number>
}

/** What one day says to another is lost before it has its effect, or after it, or comes twice. */
function loseWords(chance: () => number): void {
  betweenDays(async (_, call) => {
    const fate = chance()
    if (fate < 0.08) throw new Error('Network connection lost.')
    const reply = await call()
    if (fate < 0.16) throw new Error('Network connection lost.')
    if (fate < 0.2) await call()
    return reply
  }, BETWEEN)
}

/** A request with a key, sent again with it until it has an answer. */
async function insist(desk: FrontDesk, path: string, body: object, key: string): Promise<Reply> {
  for (let tries = 0; ; tries += 1) {
    const reply = await desk.post(path, body, { 'Idempotency-Key': key })
    if (reply.status !== 503 || tries === 3) return reply
  }
}

async function act(desk: FrontDesk, told: Told, chance: () => number, key: string): Promise<void> {
  const pick = <T>(list: Iterable<T>): T | undefined => {
    const all = [...list]
    return all[Math.floor(chance() * all.length)]
  }
  const count = (what: string) => {
    told.counts[what] = (told.counts[what] ?? 0) + 1
  }
  const kind = chance()
  const patient_id = pick(desk.patientIds)
  if (kind < 0.25) {
    const dates = DATES.filter(() => chance() < 0.7)
    const first = pick(DATES) ?? ''
    const wanted = { patient_id, doctor_id: desk.doctorId, dates: dates.length > 0 ? dates : [first] }
    const { status, body } = await insist(desk, WAITLIST, wanted, key)
    count(`wish ${status}`)
    if (status < 300) told.wishes.add(body.wish_id)
  } else if (kind < 0.55) {
    const list = await waitlistOn(desk, pick(DATES) ?? '')
    const place = pick(Array.isArray(list) ? list.filter(({ status }) => status === 'offered') : [])
    if (!place) return
    const { status, body } = await insist(desk, `${WAITLIST}/${place.id}/accept`, {}, key)
    count(`accept ${status}`)
    if (status !== 201) return
    told.active.add(body.id)
    const { id = 'none' } = place.wish ?? {}
    told.booked.set(id, new Set([...(told.booked.get(id) ?? []), body.id]))
  } else if (kind < 0.75) {
    const id = pick(told.active)
    if (id === undefined) return
    const { status } = await insist(desk, `/api/v1/appointments/${id}/cancel`, {}, key)
    count(`cancel ${status}`)
    if (status === 200) told.active.delete(id)
  } else if (kind < 0.85) {
    const wanted = { patient_id, doctor_id: desk.doctorId, date: pick(DATES) }
    const { status, body } = await insist(desk, '/api/v1/appointments', wanted, key)
    count(`book ${status}`)
    if (status === 201) told.active.add(body.id)
  } else if (kind < 0.92) {
    const id = pick(told.wishes)
    if (id === undefined) return
    const { status } = await insist(desk, `${WAITLIST}/${id}/decline`, {}, key)
    count(`leave ${status}`)
    if (status === 200) told.left.add(id)
  } else {
    await abort(objectOf(desk, pick(DATES) ?? '')).catch(() => undefined)
    count('death')
  }
}

/** No slot has two, none is lost, and no patient waits twice on a day. */
async function expectSound(desk: FrontDesk, isStrict = false): Promise<void> {
  const path = `/api/v1/doctors/${desk.doctorId}/days/`
  const days = await Promise.all(DATES.map((date) => desk.get(path + date)))
  const alive = days.filter(({ status }) => status === 200)
  expect(isStrict ? alive.length : DATES.length).toBe(DATES.length)
  for (const { body } of alive) {
    const { capacity, booked, held, offered, remaining } = body
    expect(booked + held + offered + remaining).toBe(capacity)
    expect(Math.min(booked, held, offered, remaining)).toBeGreaterThanOrEqual(0)
  }
  for (const list of await Promise.all(DATES.map((date) => waitlistOn(desk, date)))) {
    const patients = Array.isArray(list) ? list.map(({ patient_id }) => patient_id) : []
    expect(new Set(patients).size).toBe(patients.length)
  }
}

/** How often each wish was booked, by the logs of the days. */
async function bookedByWish(desk: FrontDesk): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const date of DATES) {
    const pages = await allPages(desk, `/api/v1/doctors/${desk.doctorId}/days/${date}/events?limit=1000`)
    const wishOf = new Map<string, string>()
    for (const { type, data } of pages.flatMap(({ body }) => body)) {
      if (type === 'wish_joined') wishOf.set(data.wait_id, data.wish_id)
      const wishId = type === 'wait_ended' && data.how === 'accepted' ? wishOf.get(data.wait_id) : undefined
      if (wishId) counts.set(wishId, (counts.get(wishId) ?? 0) + 1)
    }
  }
  return counts
}

test('many wishes, accepts, cancellations and deaths at once: each wish is fulfilled once at most, and no slot is lost', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const chance = seeded(seed)
  const desk = await openFrontDesk({ patients: PATIENTS, capacity: CAPACITY })
  const told: Told = { booked: new Map(), wishes: new Set(), left: new Set(), active: new Set(), counts: {} }
  loseWords(chance)
  for (let step = 0; step < STEPS; step += AT_ONCE) {
    await Promise.all(times(AT_ONCE, (n) => act(desk, told, chance, `${step}-${n}`)))
    await expectSound(desk)
  }
  vi.restoreAllMocks()
  // What was lost is repeated by the alarms, until nothing is left to say.
  await soon(async () => {
    for (const date of DATES) await runDurableObjectAlarm(objectOf(desk, date))
    for (const id of told.wishes)
      expect((await getWish(desk, id)).places.map(statusOf)).not.toContain('pending')
    for (const date of DATES)
      for (const { wish } of await waitlistOn(desk, date))
        if (wish) expect([seed, (await getWish(desk, wish.id)).status]).toEqual([seed, 'waiting'])
  })
  await expectSound(desk, true)
  const booked = await bookedByWish(desk)
  told.booked.delete('none')
  for (const [id, ids] of told.booked) expect([seed, id, ids.size]).toEqual([seed, id, 1])
  for (const [id, times] of booked) expect([seed, id, times]).toEqual([seed, id, 1])
  for (const id of told.wishes) {
    const { status } = await getWish(desk, id)
    expect([seed, id, status === 'fulfilled']).toEqual([seed, id, booked.has(id)])
  }
  for (const id of told.left) expect([seed, id, (await getWish(desk, id)).status]).toEqual([seed, id, 'left'])
  // A free slot means that nobody waits for any slot of that day.
  for (const date of DATES) {
    const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}`)
    const waiting = (await waitlistOn(desk, date)).filter(({ offer }: { offer: unknown }) => offer === null)
    expect([seed, date, Math.min(body.remaining, waiting.length)]).toEqual([seed, date, 0])
  }
  expect(told.counts['accept 201'] ?? 0).toBeGreaterThan(3)
  expect(told.counts['wish 201'] ?? 0).toBeGreaterThan(3)
}, 600_000)

const statusOf = ({ status }: { status: string }) => status
