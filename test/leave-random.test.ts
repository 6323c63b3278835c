import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { dayKey } from '../src/doctor-day/storage/address'
import { openFrontDesk, times } from './clinic'
import { abort, betweenDays, loseD1 } from './faults'
import { act, type World } from './leave-commands'
import { CAPACITY, ClerkOfLeave, dateAfter, type Leave, nameOf, type Place } from './leave-model'
import { rounds } from './rounds'
import { soon } from './soon'

const STEPS = 60
const CHECK_EVERY = 5
const SEEDS = times(rounds(1, 60), (n) => 31 + n)
const PATIENTS = 9
const BEGIN = '2040-03-12'
const SECOND = 1_000
const DOCTORS = '/api/v1/doctors'
/** What one day or the job of a leave says to a day. */
const SAID = ['declare_absence', 'end_absence', 'reserve', 'confirm_move', 'release_move', 'wait', 'point']

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const dayOf = (world: World, { doctor, date }: Place) =>
  env.DOCTOR_DAY.getByName(dayKey(world.desk.clinicId, doctor, date))
const jobOf = (leaveId: string) => env.LEAVE_JOB.getByName(leaveId)

/** Words are lost before or after their effect, or come twice; so are batches of D1. */
function loseSome({ chance, counts }: World): void {
  betweenDays(async (command, call) => {
    const fate = chance()
    counts[`said ${command.type}`] = (counts[`said ${command.type}`] ?? 0) + 1
    if (fate < 0.06) throw new Error('Network connection lost.')
    const reply = await call()
    if (fate < 0.12) throw new Error('Network connection lost.')
    if (fate < 0.18) await call()
    return reply
  }, SAID)
  loseD1(() => chance() < 0.03)
}

/** Objects die in the middle of a job’s work, which begins again. */
async function workWithDeaths(world: World, leaveId: string): Promise<void> {
  const { chance, clerk } = world
  const work = runDurableObjectAlarm(jobOf(leaveId)).catch(() => undefined)
  const fate = chance()
  const sheets = [...clerk.sheets.values()].filter(({ isUsed }) => isUsed)
  const sheet = sheets[Math.floor(chance() * sheets.length)]
  if (fate < 0.15)
    await abort(jobOf(leaveId) as unknown as DurableObjectStub<undefined>).catch(() => undefined)
  else if (fate < 0.35 && sheet)
    await abort(dayOf(world, sheet) as unknown as DurableObjectStub<undefined>).catch(() => undefined)
  await work
}

const OPEN = `SELECT DISTINCT id FROM leaves LEFT JOIN leave_days
    ON leave_days.leave_id = leaves.id AND leave_days.clinic_id = leaves.clinic_id
  WHERE leaves.clinic_id = ?1 AND (leaves.status IN ('running', 'cancelling') OR leave_days.state = 'ending')`

/** The jobs work until none has anything left to do. What the days owe each other is done as well. */
async function rest(world: World, isFaulty: boolean): Promise<void> {
  const { desk, clerk } = world
  const openLeaves = async () =>
    (await env.DB.prepare(OPEN).bind(desk.clinicId).all<{ id: string }>()).results.map(({ id }) => id)
  clerk.now += 20 * SECOND
  vi.setSystemTime(clerk.now)
  clerk.lapse()
  if (isFaulty) {
    for (const id of await openLeaves().catch(() => [])) await workWithDeaths(world, id)
    vi.restoreAllMocks()
  }
  // What a closing or a retirement has to tell is known by D1’s copy.
  if ([...clerk.leaves.values()].some(({ kind, status }) => kind !== 'leave' && status === 'running'))
    await copied(world)
  for (let tries = 0; ; tries += 1) {
    const open = await openLeaves()
    if (open.length === 0) break
    expect([world.seed, 'a job ends', tries < 60]).toEqual([world.seed, 'a job ends', true])
    for (const id of open) await runDurableObjectAlarm(jobOf(id))
  }
  for (const leave of clerk.leaves.values()) clerk.work(leave)
  await workAgain(world)
}

/** A job that has nothing to do is started, and its alarm rings twice: of a leave that is paused, or over. */
async function workAgain({ desk, clerk, chance }: World): Promise<void> {
  const last = [...clerk.leaves.values()].filter(({ kind }) => kind === 'leave').slice(-4)
  const leave = last[Math.floor(chance() * last.length)]
  if (!leave) return
  await jobOf(leave.id).watch(desk.clinicId, true)
  for (const _ of times(2, () => 0)) await runDurableObjectAlarm(jobOf(leave.id))
}

/** D1 has what the days know, and each day has done what was due. */
async function copied(world: World): Promise<void> {
  const used = [...world.clerk.sheets.values()].filter(({ date }) => date >= dateAfter(world.clerk.today, -1))
  await Promise.all(
    used.map((sheet) =>
      soon(async () => {
        await runDurableObjectAlarm(dayOf(world, sheet))
        const { version, copied } = await dayOf(world, sheet).caughtUp(world.desk.clinicId)
        expect(copied).toBe(version)
      }),
    ),
  )
}

async function expectAsTheClerkSays(world: World): Promise<void> {
  const { desk, clerk, seed } = world
  await copied(world)
  for (const sheet of clerk.sheets.values()) {
    if (sheet.date < clerk.today) continue
    const { body } = await desk.get(`${DOCTORS}/${sheet.doctor}/days/${sheet.date}`)
    const ids = body.slots.flatMap((one: { state: string; id: string }) =>
      one.state === 'booked' ? [one.id] : [],
    )
    const waiting = sheet.waiting.filter(({ deadline }) => deadline === null).length
    const { is_present, booked, held, offered } = body
    expect([
      seed,
      nameOf(sheet),
      { is_present, held, offered, waiting: body.waiting },
      ids.toSorted(),
    ]).toEqual([
      seed,
      nameOf(sheet),
      {
        is_present: clerk.refusals(sheet).length === 0,
        held: 0,
        offered: sheet.waiting.length - waiting,
        waiting,
      },
      clerk
        .onDay(sheet)
        .map(({ id }) => id)
        .toSorted(),
    ])
    expect(booked + offered + body.remaining + body.over + body.closed).toBe(CAPACITY)
    for (const { id, slot } of body.slots) Object.assign(clerk.visits.get(id) ?? {}, { slot })
  }
  const free = await desk.get(`/api/v1/slots?from=${clerk.today}&to=${dateAfter(clerk.today, 6)}&limit=1000`)
  const isFree = new Map<string, number>()
  for (const { doctor_id: doctor, date } of free.body)
    isFree.set(nameOf({ doctor, date }), (isFree.get(nameOf({ doctor, date })) ?? 0) + 1)
  for (const doctor of clerk.doctors)
    for (const date of times(7, (n) => dateAfter(clerk.today, n))) {
      const count = clerk.refusals({ doctor, date }).length > 0 ? 0 : clerk.free({ doctor, date })
      expect([seed, doctor, date, isFree.get(nameOf({ doctor, date })) ?? 0]).toEqual([
        seed,
        doctor,
        date,
        count,
      ])
    }
}

/** No visit is lost, and none is anywhere else than the clerk says. */
async function expectVisits({ desk, clerk, seed }: World, ids: Iterable<string>): Promise<void> {
  for (const id of ids) {
    const visit = clerk.visits.get(id)
    const { body } = await desk.get(`/api/v1/appointments/${id}`)
    const [status, place] = [visit?.status === 'cancelled' ? 'cancelled' : 'standing', visit?.place]
    const told = body.status === 'cancelled' ? 'cancelled' : 'standing'
    expect([seed, id, told, body.doctor_id, body.date]).toEqual([
      seed,
      id,
      status,
      place?.doctor,
      place?.date,
    ])
  }
}

const idsOf = (list: { appointment_id: string }[]) => list.map((one) => one.appointment_id).toSorted()

/** The figures of a leave are those of its dates, and add up. */
async function expectProgress({ desk, seed }: World, leave: Leave): Promise<void> {
  const at = `${DOCTORS}/${leave.doctor}/leave/${leave.id}`
  const [{ body: progress }, { body: dates }] = [await desk.get(at), await desk.get(`${at}/dates`)]
  const model = [...leave.dates.values()]
  const count = (state: string) => model.filter((one) => one.state === state).length
  const sum = (what: 'moved' | 'waitlisted' | 'to_call') =>
    model.reduce((all, { outcome }) => all + outcome[what].length, 0)
  const states = ['pending', 'told', 'failed', 'over', 'ending', 'ended']
  expect([seed, leave, progress]).toEqual([
    seed,
    leave,
    {
      ...progress,
      ...{ status: leave.status, to: leave.to, days: model.length },
      ...{ moved: sum('moved'), waitlisted: sum('waitlisted'), to_call: sum('to_call') },
      dates: Object.fromEntries(states.map((state) => [state, count(state)])),
    },
  ])
  const asTold = (one: (typeof dates)[number]) => [one.moved, one.waitlisted, one.to_call].map(idsOf)
  expect([seed, leave.id, dates.map((one: { date: string }) => [one.date, ...asTold(one)])]).toEqual([
    seed,
    leave.id,
    model.map(({ date, outcome }) => [
      date,
      ...[outcome.moved, outcome.waitlisted, outcome.to_call].map((ids) => ids.toSorted()),
    ]),
  ])
}

/** Each effect of a leave on a day is in its log exactly once, and each step of a caller in the audit. */
async function expectRecorded({ desk, clerk, seed }: World): Promise<void> {
  const pagesOf = async (path: string) => {
    const all: Record<string, unknown>[] = []
    for (let next: string | undefined = path; next; ) {
      const { body, headers } = await desk.get(next)
      all.push(...body)
      next = headers.get('Link')?.match(/^<(\/.+)>; rel="next"$/)?.[1]
    }
    return all
  }
  for (const sheet of clerk.sheets.values()) {
    const path = `${DOCTORS}/${sheet.doctor}/days/${sheet.date}`
    const events = await pagesOf(`${path}/events?limit=1000`)
    const marks = events.flatMap(({ type, data }) => {
      const { is_present, leave_id } = data as { is_present: boolean; leave_id?: string }
      const by = leave_id ? 'by a leave' : 'for itself'
      return type === 'availability_set' ? [`${is_present ? 'open' : 'closed'} ${by}`] : []
    })
    const moves = events.filter(({ type }) => type === 'moved_out').length
    expect([seed, nameOf(sheet), moves, marks]).toEqual([seed, nameOf(sheet), sheet.moves, sheet.marks])
    expect((await desk.get(`${path}/verify`)).body.ok).toBe(true)
  }
  const audit = (await pagesOf('/api/v1/audit?limit=1000'))
    .filter(({ action }) =>
      /^(leave|clinic|doctor)\.(?!added|created|changed|registered)/.test(String(action)),
    )
    .map(({ action, subject }) => `${action} ${subject}`)
  expect([seed, audit.toSorted()]).toEqual([seed, clerk.audit.toSorted()])
}

async function openWorld(seed: number): Promise<World> {
  vi.useFakeTimers({ now: Date.parse(`${BEGIN}T08:00:00Z`), toFake: ['Date'] })
  const scopes = ['*', 'admin', 'clinic:admin']
  const desk = await openFrontDesk({ patients: PATIENTS, capacity: CAPACITY, scopes })
  const { body: other } = await desk.post(DOCTORS, { name: 'Ada', code: 'AL', capacity: CAPACITY })
  const clerk = new ClerkOfLeave([desk.doctorId, other.id], Date.now())
  return { desk, clerk, chance: seeded(seed), seed, counts: {}, key: '' }
}

test.each(SEEDS)(
  'leaves, closings, retirements and visits are as a clerk with a sheet of paper says (%i)',
  async (seed) => {
    const world = await openWorld(seed)
    const { clerk, counts } = world
    let moved = 0
    for (let step = 0; step < STEPS; step += 1) {
      clerk.now += SECOND
      vi.setSystemTime(clerk.now)
      clerk.lapse()
      world.key = `step-${step}`
      const isFaulty = world.chance() < 0.5
      if (isFaulty) loseSome(world)
      await act(world)
      await rest(world, isFaulty)
      // Which slots the moved visits have, the clerk learns there.
      const moves = [...clerk.sheets.values()].reduce((sum, sheet) => sum + sheet.moves, 0)
      if (moves !== moved || step % CHECK_EVERY === 0) await expectAsTheClerkSays(world)
      moved = moves
    }
    await expectVisits(world, clerk.visits.keys())
    for (const leave of clerk.leaves.values()) if (leave.kind === 'leave') await expectProgress(world, leave)
    await expectRecorded(world)
    for (const what of ['declare 202', 'cancel leave 200', 'book 201'])
      expect([seed, what, counts[what] ?? 0]).not.toEqual([seed, what, 0])
  },
  600_000,
)
