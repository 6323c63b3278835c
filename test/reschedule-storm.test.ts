import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/address'
import { type FrontDesk, openFrontDesk, times } from './clinic'
import { abort, betweenDays, loseD1 } from './faults'
import { seeded } from './seeded'
import { soon } from './soon'

const DATES = ['2040-06-01', '2040-06-02', '2040-06-03', '2040-06-04']
const [CAPACITY, APPOINTMENTS, MOVES, AT_ONCE] = [16, 60, 500, 25]
const APPOINTMENT_PATH = '/api/v1/appointments'

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

const stubOf = (desk: FrontDesk, date: string) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, date)))

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

test(`${MOVES} moves of ${APPOINTMENTS} appointments over four nearly full days, with days dying and D1 failing`, async () => {
  const desk = await openFrontDesk({ patients: APPOINTMENTS, capacity: CAPACITY })
  const ids: string[] = []
  for (const n of times(APPOINTMENTS, (n) => n))
    ids.push((await desk.book({ date: DATES[n % 4] ?? '', patient: n })).body.id)
  const stubs = DATES.map((date) => stubOf(desk, date))
  const chance = seeded(20_260_314)
  const pick = <T>(list: T[]) => list[Math.floor(chance() * list.length)] as T
  const counts: Record<string, number> = {}
  const count = (what: string | number) => {
    counts[what] = (counts[what] ?? 0) + 1
  }

  betweenDays(async (_, call) => {
    const fate = chance()
    const lost = Object.assign(new Error('Network connection lost.'), { retryable: chance() < 0.5 })
    if (fate < 0.06) throw lost
    const reply = await call()
    if (fate < 0.12) throw lost
    if (fate < 0.15) await call()
    return reply
  })
  const d1 = loseD1(() => chance() < 0.08)

  for (const round of times(MOVES / AT_ONCE, (n) => n)) {
    let isOver = false
    const moves = Promise.all(
      times(AT_ONCE, async () => {
        const wanted = { date: pick(DATES) }
        const path = `${APPOINTMENT_PATH}/${pick(ids)}/reschedule`
        const key = { 'Idempotency-Key': `round-${round}-${Math.floor(chance() * 1e9)}` }
        const reply = await desk.post(path, wanted, key)
        count(reply.status)
        if (reply.status === 503) count((await desk.post(path, wanted, key)).status)
      }),
    ).finally(() => {
      isOver = true
    })
    for (let kills = 0; kills < 3 && !isOver; kills += 1) {
      for (const ledger of await sample(desk)) expectWithinCapacity(ledger)
      await abort(pick(stubs))
      count('killed')
    }
    await moves
    for (const ledger of await sample(desk)) expectWithinCapacity(ledger)
  }
  count(`D1 lost ${d1.lost() > 50 ? 'often' : 'rarely'}`)
  vi.restoreAllMocks()
  console.log(JSON.stringify(counts))

  for (let waking = 0; waking < 3; waking += 1)
    for (const date of DATES) await runDurableObjectAlarm(stubOf(desk, date))
  const rest = await sample(desk)
  expect(rest).toHaveLength(4)
  for (const ledger of rest) expectWithinCapacity(ledger)
  expect(rest.map(({ held, offered }) => held + offered)).toEqual([0, 0, 0, 0])
  const owners = rest.flatMap(({ slots }) => slots.flatMap(({ id }) => id ?? []))
  expect(owners.sort()).toEqual([...ids].sort())
  for (const id of ids) {
    const { status, body } = await desk.get(`${APPOINTMENT_PATH}/${id}`)
    expect([status, body.status, DATES.includes(body.date)]).toEqual([200, 'booked', true])
    expect(rest[DATES.indexOf(body.date)]?.slots[body.slot - 1]).toMatchObject({ id, state: 'booked' })
  }
  for (const date of DATES) {
    const verdict = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/verify`)
    expect(verdict.body.ok).toBe(true)
  }
  await soon(async () => {
    const copied = (await desk.get(`${APPOINTMENT_PATH}?limit=1000`)).body
    const lists = await Promise.all(
      DATES.map((date) => desk.get(`${APPOINTMENT_PATH}/doctors/${desk.doctorId}/appointments?date=${date}`)),
    )
    const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1)
    expect(copied.sort(byId)).toEqual(lists.flatMap(({ body }) => body).sort(byId))
  })
  expect(counts).toMatchObject({
    200: expect.any(Number),
    409: expect.any(Number),
    killed: expect.any(Number),
  })
  expect(counts[200]).toBeGreaterThan(MOVES / 10)
}, 240_000)
