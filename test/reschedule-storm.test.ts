import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { type FrontDesk, openFrontDesk, times } from './clinic'
import { abort, betweenDays, loseD1 } from './faults'
import { objectOf, APPOINTMENTS as PATH } from './moves'
import { rounds } from './rounds'
import { soon } from './soon'

const DATES = ['2040-06-01', '2040-06-02', '2040-06-03', '2040-06-04']
const MOVES = rounds(150, 500)
const [CAPACITY, APPOINTMENTS, AT_ONCE] = [16, 60, 25]

afterEach(() => {
  vi.restoreAllMocks()
})

interface Ledger {
  capacity: number
  booked: number
  held: number
  offered: number
  remaining: number
  slots: { id: string | null; state: string }[]
}

/** What the days say, or nothing where one of them was just killed. */
async function sample(desk: FrontDesk): Promise<Ledger[]> {
  const replies = await Promise.all(
    DATES.map((date) => desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}`)),
  )
  return replies.filter(({ status }) => status === 200).map(({ body }) => body)
}

function expectWithinCapacity({ capacity, booked, held, offered, remaining, slots }: Ledger): void {
  expect(booked + held + offered + remaining).toBe(capacity)
  expect(Math.min(booked, held, offered, remaining)).toBeGreaterThanOrEqual(0)
  expect(slots).toHaveLength(capacity)
}

/** What one day says to another is lost before it has its effect, or after it, or comes twice. */
function loseWords(chance: () => number): void {
  betweenDays(async (_, call) => {
    const fate = chance()
    const lost = Object.assign(new Error('Network connection lost.'), { retryable: chance() < 0.5 })
    if (fate < 0.06) throw lost
    const reply = await call()
    if (fate < 0.12) throw lost
    if (fate < 0.15) await call()
    return reply
  })
}

/** Rounds of moves at once, each repeated with its key where it was a 503; meanwhile days die. */
async function storm(desk: FrontDesk, ids: string[], chance: () => number): Promise<Record<string, number>> {
  const pick = <T>(list: T[]) => list[Math.floor(chance() * list.length)] as T
  const counts: Record<string, number> = {}
  const count = (what: string | number) => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  const move = async (round: number) => {
    const wanted = { date: pick(DATES) }
    const path = `${PATH}/${pick(ids)}/reschedule`
    const key = { 'Idempotency-Key': `round-${round}-${Math.floor(chance() * 1e9)}` }
    const reply = await desk.post(path, wanted, key)
    count(reply.status)
    if (reply.status === 503) count((await desk.post(path, wanted, key)).status)
  }
  for (const round of times(MOVES / AT_ONCE, (n) => n)) {
    let isOver = false
    const moves = Promise.all(times(AT_ONCE, () => move(round))).finally(() => {
      isOver = true
    })
    for (let kills = 0; kills < 3 && !isOver; kills += 1) {
      for (const each of await sample(desk)) expectWithinCapacity(each)
      await abort(objectOf(desk, pick(DATES)))
      count('killed')
    }
    await moves
    for (const each of await sample(desk)) expectWithinCapacity(each)
  }
  return counts
}

test(`${MOVES} moves of ${APPOINTMENTS} appointments over four nearly full days, with days dying and D1 failing`, async () => {
  const desk = await openFrontDesk({ patients: APPOINTMENTS, capacity: CAPACITY })
  const ids: string[] = []
  for (const n of times(APPOINTMENTS, (n) => n))
    ids.push((await desk.book({ date: DATES[n % 4] ?? '', patient: n })).body.id)
  const chance = seeded(20_260_314)
  loseWords(chance)
  const d1 = loseD1(() => chance() < 0.08)
  const counts = await storm(desk, ids, chance)
  vi.restoreAllMocks()
  console.log(JSON.stringify({ ...counts, 'D1 lost': d1.lost() }))
  for (let waking = 0; waking < 3; waking += 1)
    for (const date of DATES) await runDurableObjectAlarm(objectOf(desk, date))
  await expectEachOnOneDay(desk, ids)
  await soon(() => expectCopied(desk))
  expect(counts).toMatchObject({
    200: expect.any(Number),
    409: expect.any(Number),
    killed: expect.any(Number),
  })
  expect(counts.killed).toBeGreaterThan(DATES.length)
  expect(d1.lost()).toBeGreaterThan(0)
  expect(counts[200]).toBeGreaterThan(MOVES / 10)
}, 240_000)

/** Each appointment has exactly one slot, where its id leads, and no other slot is kept for anybody. */
async function expectEachOnOneDay(desk: FrontDesk, ids: string[]): Promise<void> {
  const rest = await sample(desk)
  expect(rest).toHaveLength(4)
  for (const each of rest) expectWithinCapacity(each)
  expect(rest.map(({ held, offered }) => held + offered)).toEqual([0, 0, 0, 0])
  const owners = rest.flatMap(({ slots }) => slots.flatMap(({ id }) => id ?? []))
  expect(owners.sort()).toEqual([...ids].sort())
  for (const id of ids) {
    const { status, body } = await desk.get(`${PATH}/${id}`)
    expect([status, body.status, DATES.includes(body.date)]).toEqual([200, 'booked', true])
    expect(rest[DATES.indexOf(body.date)]?.slots[body.slot - 1]).toMatchObject({ id, state: 'booked' })
  }
  for (const date of DATES) {
    const verdict = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/verify`)
    expect(verdict.body.ok).toBe(true)
  }
}

/** D1 tells of the same appointments as the days. */
async function expectCopied(desk: FrontDesk): Promise<void> {
  const copied = (await desk.get(`${PATH}?limit=1000`)).body
  const lists = await Promise.all(
    DATES.map((date) => desk.get(`${PATH}/doctors/${desk.doctorId}/appointments?date=${date}`)),
  )
  const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1)
  expect(copied.sort(byId)).toEqual(lists.flatMap(({ body }) => body).sort(byId))
}
