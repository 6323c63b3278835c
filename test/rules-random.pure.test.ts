import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Choice, Command, StepName, UndoName } from '../src/doctor-day/commands'
import { absenceOf } from '../src/doctor-day/state/absences'
import type { Day } from '../src/doctor-day/state/day'
import type { EventOf, Recorded } from '../src/doctor-day/state/event'
import { emptyDay, fold } from '../src/doctor-day/state/fold'
import { beginOf, slotNumbers, type WorkingHours } from '../src/doctor-day/state/slot-times'
import { ledgerOf } from '../src/doctor-day/state/views'
import {
  absent,
  accept,
  alsoKnownAs,
  apply,
  arrive,
  book,
  bookHeld,
  cancel,
  confirm,
  DATE,
  decline,
  end,
  endLeave,
  erase,
  giveBack,
  hold,
  LAPSE,
  leave,
  MINUTE,
  NOON,
  next,
  OPENING,
  onLeave,
  release,
  reserve,
  say,
  settle,
  step,
  undo,
  wait,
  walkIn,
} from './day-commands'
import { aimWish, joinWish, makeWish, WISHING, type Wishing } from './wish-commands'

/** What holds after every single event. */
function expectSound(day: Day): void {
  const { booked, held, offered, remaining, capacity } = ledgerOf(day)
  expect(booked + held + offered + remaining).toBe(capacity)
  expect(Math.min(booked, held, offered, remaining)).toBeGreaterThanOrEqual(0)
  expect(ledgerOf(day).slots.length).toBe(capacity)
  expect([...day.slots.keys()].filter((slot) => !slotNumbers(day).includes(slot))).toEqual([])
  const active = [...day.appointments.values()].filter(({ status }) => status === 'booked')
  const taken = [
    ...active.flatMap((one) => places('appointment', one.id, one)),
    ...[...day.waitlist.values()].flatMap(({ id, span, offer }) =>
      offer ? places('offer', id, { slot: offer.slot, span }) : [],
    ),
    ...[...day.holds.values()].flatMap((one) => places('hold', one.id, one)),
    ...[...day.reservations.values()].flatMap((one) => places('reservation', one.id, one.appointment)),
  ]
  expect(new Map([...day.slots].sort(([one], [other]) => one - other))).toEqual(
    new Map(taken.sort(([one], [other]) => one - other)),
  )
  expect(taken.length).toBe(day.slots.size)
  expect(active.reduce((slots, { span = 1 }) => slots + span, 0)).toBe(booked)
  for (const id of day.movedTo.keys()) expect(day.appointments.has(id)).toBe(false)
  for (const { appointmentId, state } of day.moves.values())
    expect(state !== 'committed' || !day.appointments.has(appointmentId)).toBe(true)
  const counted = [...active, ...[...day.reservations.values()].map(({ appointment }) => appointment)]
  for (const { patientId } of counted) expect(day.patients.get(patientId)).toBeGreaterThan(0)
  const sum = [...day.patients.values()].reduce((one, other) => one + other, 0)
  expect(sum).toBe(counted.length)
  const { moved, waitlisted, toCall } = absenceOf(day)
  const struck = [...moved, ...waitlisted, ...toCall].map(({ appointmentId }) => appointmentId)
  expect(new Set(struck).size).toBe(struck.length)
  expect(struck.every((id) => day.affected.has(id))).toBe(true)
  for (const { slot, span, startsAt, endsAt } of [...counted, ...day.holds.values()])
    expect([startsAt, endsAt]).toEqual(timesIn(day.hours, slot, span))
  for (const { offer, span } of day.waitlist.values())
    if (offer) expect([offer.startsAt, offer.endsAt]).toEqual(timesIn(day.hours, offer.slot, span))
  const positions = [...day.checkIns.values()].map(({ position }) => position).sort((a, b) => a - b)
  expect(new Set(positions).size).toBe(positions.length)
  expect(positions.at(-1) ?? 0).toBeLessThanOrEqual(day.lastPosition)
  for (const id of day.checkIns.keys())
    expect(['booked', 'no_show']).toContain(day.appointments.get(id)?.status)
  expect(day.slots.has(day.lowestFreeSlot)).toBe(false)
}

/** A wish is fulfilled once at most; a claim always has the slot that was accepted, and no deadline but its begin. */
function expectWishes(day: Day, log: Recorded[]): void {
  const fulfilled = log.flatMap((event) => (event.type === 'wish_fulfilled' ? [event.wishId] : []))
  expect(new Set(fulfilled).size).toBe(fulfilled.length)
  for (const { claim, offer } of day.waitlist.values()) expect(claim && !offer).toBeFalsy()
  for (const { end, claim, untold } of day.wishes.values()) {
    expect(end && claim).toBeFalsy()
    expect(end || untold.size === 0).toBeTruthy()
  }
  const patients = [...day.waitlist.values()].map(({ patientId }) => patientId)
  expect(new Set(patients).size).toBe(patients.length)
}

const idsIn = (command: Command): string[] =>
  'patientId' in command ? [command.patientId, ...(command.alsoKnownAs ?? [])] : []
const waitsOf = (day: Day, ids: string[]) =>
  [...day.waitlist.values()].filter(({ patientId }) => ids.includes(patientId))

/** A person has one visit a day and one place in line, under whichever id; who is erased has none at all. */
function expectOneOfEach(before: Day, day: Day, command: Command, isDone: boolean): void {
  const ids = idsIn(command)
  if (['book', 'book_held', 'walk_in', 'wait', 'reserve'].includes(command.type)) {
    const isRefused =
      'allowAnother' in command && !command.allowAnother && ids.some((id) => before.patients.has(id))
    expect(isDone && isRefused).toBe(false)
    expect(isDone && before.erased.has(ids[0] ?? '')).toBe(false)
  }
  if (!isDone) return
  if (command.type === 'book' || command.type === 'book_held' || command.type === 'walk_in')
    expect(waitsOf(day, ids)).toEqual([])
  if (command.type === 'wait') expect(waitsOf(day, ids).length).toBe(waitsOf(before, ids).length || 1)
  if (command.type !== 'erase_patient') return
  expect(waitsOf(day, ids)).toEqual([])
  expect(ids.every((id) => day.erased.has(id))).toBe(true)
  const ahead = [...day.appointments.values()].filter(
    ({ id, patientId, status }) => ids.includes(patientId) && status === 'booked' && !day.checkIns.has(id),
  )
  expect(ahead).toEqual([])
}

/** A leave closes a day that was not opened since, and its end opens only the day that it has closed itself. */
function expectLeave(before: Day, day: Day, command: Command, isDone: boolean): void {
  const [was, is] = [before.availability, day.availability]
  if (command.type === 'end_absence') {
    const isOwn = was?.isPresent === false && was.leaveId === command.leaveId
    if (!isOwn) expect(is).toEqual(was)
    const { off } = command.opening
    const isHanded = off !== undefined && off.kind !== 'day_off'
    if (isOwn && isDone)
      expect([is?.isPresent, is?.leaveId]).toEqual([!isHanded, isHanded ? off.id : command.leaveId])
  }
  if (command.type !== 'declare_absence' || !isDone || !command.leave) return
  const setAt = was && was.leaveId === undefined ? was.updatedAt : 0
  const isOpenedSince = was?.isPresent !== false && setAt >= command.leave.since
  if (isOpenedSince || was?.isPresent === false) expect(is).toEqual(was)
  else expect([is?.isPresent, is?.leaveId]).toEqual([false, command.leave.id])
}

/** Each arrival got the next number: none twice, whatever was undone between two of them. */
function expectNumbered(day: Day, log: Recorded[]): void {
  const arrivals = log.filter((event) => event.type === 'checked_in') as Recorded<EventOf<'checked_in'>>[]
  expect(arrivals.map(({ position }) => position)).toEqual(arrivals.map((_, index) => index + 1))
  expect(day.lastPosition).toBe(arrivals.length)
  const undone = log.flatMap((event) => (event.type === 'unchecked_in' ? [event.checkInId] : []))
  const standing = [...day.checkIns.values()].map(({ id }) => id)
  expect([...undone, ...standing].sort()).toEqual(arrivals.map(({ checkInId }) => checkInId).sort())
}

/** Without the right to amend, only what happened in the last minute was undone. */
function expectInTime(log: Recorded[], event: Recorded, mayAmend: boolean): void {
  if (event.type !== 'unchecked_in' && event.type !== 'unserved') return
  const done = event.type === 'unserved' ? 'served' : 'checked_in'
  const since = log.findLast((one) => one.type === done && one.appointmentId === event.appointmentId)?.at ?? 0
  expect(mayAmend || event.at - since <= MINUTE).toBe(true)
}

/** Each slot of a place with the one that has it: no slot can have two. */
const places = (kind: string, id: string, { slot, span = 1 }: { slot: number; span?: number | undefined }) =>
  Array.from({ length: span }, (_, index) => [slot + index, { kind, id }] as const)

/** When a visit is, reckoned anew: the day of these commands is in UTC. */
function timesIn(hours: WorkingHours | null, slot: number, span = 1): (string | null)[] {
  if (!hours) return [null, null]
  const begins = Date.parse(`${DATE}T${hours.from}:00Z`)
  return [slot - 1, slot - 1 + span].map((slots) =>
    new Date(begins + slots * hours.minutesPerSlot * MINUTE).toISOString().replace('.000Z', '+00:00'),
  )
}

describe('whatever happens, in any order', () => {
  const small = fc.nat(12)
  type Ending = 'moved' | 'refused' | 'lost' | 'settle' | 'confirm' | 'give back'
  type Aimed =
    | Wishing
    | StepName
    | UndoName
    | 'amend'
    | 'cancel'
    | 'arrive'
    | 'leave'
    | 'change slot'
    | Ending
  const ENDINGS: Ending[] = ['moved', 'refused', 'lost', 'settle', 'confirm', 'give back']
  const hours = fc.constantFrom<WorkingHours | null | undefined>(
    undefined,
    null,
    { from: '13:00', to: '15:00', minutesPerSlot: 30 },
    { from: '13:00', to: '14:30', minutesPerSlot: 30 },
    { from: '12:15', to: '15:00', minutesPerSlot: 45 },
    { from: '20:15', to: '23:00', minutesPerSlot: 45 },
    { from: '13:00', to: '15:00', minutesPerSlot: 30, breaks: [{ from: '13:30', to: '14:00' }] },
    { from: '12:15', to: '15:00', minutesPerSlot: 45, breaks: [{ from: '13:10', to: '13:20' }] },
  )
  const choice = fc.option(
    fc.oneof(
      fc.integer({ min: 1, max: 7 }).map((slot): Choice => ({ slot })),
      fc.constantFrom('12:15', '13:00', '13:30', '14:00', '22:00').map((time): Choice => ({ time })),
      fc.nat(6).map((half): Choice => ({ startsAt: NOON + half * 30 * MINUTE })),
    ),
    { nil: undefined, freq: 1 },
  )
  /** Which slots a caller asks for, and how many. */
  const asked = fc.record({ choice, span: fc.constantFrom(undefined, undefined, 2, 3) })
  /** Under which other ids the patient is known. Most records were never merged. */
  const aliases = fc.constantFrom<number[]>([], [], [], [], [0], [3, 4], [1, 2, 5])
  /** Where the visit was that moves here. */
  const near = fc.option(
    fc.record(
      {
        slot: fc.integer({ min: 1, max: 7 }),
        time: fc.constantFrom('12:15', '13:10', '14:00', '22:00'),
        isExact: fc.constant(true as const),
      },
      { requiredKeys: ['slot'] },
    ),
    { nil: undefined, freq: 1 },
  )
  const STEPS: StepName[] = ['serve', 'skip', 'requeue', 'no_show', 'recall']
  const UNDO = ['uncheck_in', 'unserve', 'amend'] as const
  const command: fc.Arbitrary<(index: number) => Command> = fc.oneof(
    fc.tuple(small, fc.boolean(), asked, fc.constantFrom(false, false, false, true), aliases).map(
      ([n, another, wanted, isBackDated, others]) =>
        (i: number) =>
          alsoKnownAs({ ...book(100 * i + n, another, n % 7), ...wanted, isBackDated } as Command, others),
    ),
    fc.tuple(small, asked).map(
      ([n, wanted]) =>
        (i: number) =>
          ({ ...hold(i, 1 + n), ...wanted }) as Command,
    ),
    fc.tuple(fc.nat(40), aliases).map(
      ([n, others]) =>
        (i: number) =>
          alsoKnownAs(bookHeld(n, 10_000 + i), others),
    ),
    fc.nat(40).map((n) => () => release(n)),
    fc.tuple(small, asked, aliases).map(
      ([n, wanted, others]) =>
        (i: number) =>
          alsoKnownAs({ ...wait(i, n % 9), ...wanted } as Command, others),
    ),
    fc.tuple(fc.nat(40), aliases).map(
      ([n, others]) =>
        (i: number) =>
          alsoKnownAs(accept(n, 20_000 + i), others),
    ),
    fc.nat(40).map((n) => () => decline(n)),
    fc.tuple(fc.boolean(), fc.option(fc.integer({ min: 1, max: 6 })), hours).map(
      ([here, size, hours]) =>
        () =>
          say(here, size, hours),
    ),
    fc.tuple(small, aliases).map(
      ([n, others]) =>
        (i: number) =>
          alsoKnownAs({ ...walkIn(30_000 + i), patientId: `p${n % 7}` } as Command, others),
    ),
    fc.tuple(fc.nat(8), aliases).map(
      ([n, others]) =>
        () =>
          alsoKnownAs(erase(n), others),
    ),
    fc.tuple(fc.constantFrom('l1', 'l2'), fc.nat(90)).map(
      ([id, minutes]) =>
        () =>
          onLeave(id, NOON + minutes * MINUTE),
    ),
    fc.tuple(fc.constantFrom('l1', 'l2'), fc.constantFrom(undefined, 'closing', 'leave', 'day_off')).map(
      ([id, kind]) =>
        () =>
          endLeave(id, kind && { kind, id: 'l2', notes: 'Closed', since: NOON }),
    ),
    fc.constant(() => next()),
    fc.constant(() => LAPSE),
    fc.constant(() => absent()),
    fc.tuple(small, fc.boolean(), asked, fc.record({ near, others: aliases })).map(
      ([n, another, wanted, { near, others }]) =>
        (i: number) =>
          alsoKnownAs({ ...reserve(i, n % 7, another), ...wanted, near } as Command, others),
    ),
    fc.nat(40).map((n) => () => confirm(n)),
    fc.nat(40).map((n) => () => giveBack(n)),
    fc.nat(40).map((n) => () => settle(n)),
    fc.tuple(small, fc.boolean(), asked).map(
      ([n, isHome, wanted]) =>
        (i: number) =>
          ({ ...(isHome ? makeWish : joinWish)(i, n % 9), ...wanted }) as Command,
    ),
  )
  /** Aims at an appointment that there is, so that not everything is refused. */
  const aimed = fc.tuple(
    fc.nat(9),
    fc.constantFrom<Aimed>(
      'cancel',
      'arrive',
      'leave',
      'change slot',
      ...ENDINGS,
      ...STEPS,
      ...UNDO,
      ...WISHING,
    ),
  )

  test('the ledger sums at every version, no slot has two owners, refusals change nothing, replay agrees', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.oneof({ weight: 3, arbitrary: command }, { weight: 2, arbitrary: aimed }), fc.nat(9)),
          {
            maxLength: 25,
          },
        ),
        (moves) => {
          const [day, log]: [Day, Recorded[]] = [emptyDay(), []]
          let now = NOON
          for (const [index, [move, minutes]] of moves.entries()) {
            now += minutes * MINUTE
            const wanted = Array.isArray(move) ? aim(day, move, index) : move(index)
            const before = structuredClone(day)
            const decision = apply(day, log, wanted, now, expectSound)
            if (!decision.ok) expect(day).toEqual(before)
            const mayAmend = wanted.type === 'undo' && wanted.mayAmend
            for (const event of log.slice(before.version)) expectInTime(log, event, mayAmend)
            expectWishes(day, log)
            expectOneOfEach(before, day, wanted, decision.ok)
            expectLeave(before, day, wanted, decision.ok)
            expectNoneBegun(day, log.slice(before.version), wanted, now)
            const free = ledgerOf(day).slots.flatMap(({ slot, occupant }) =>
              !occupant && beginOf(day.timetable, slot) > now ? [slot] : [],
            )
            const waiting = [...day.waitlist.values()].filter(({ offer }) => offer === null)
            const servable = waiting.filter(({ span = 1, wish }) =>
              free.some(
                (slot) =>
                  (wish === undefined || wish === slot) &&
                  places('', '', { slot, span }).every(([each]) => free.includes(each)),
              ),
            )
            if (day.availability?.isPresent !== false) expect(servable).toEqual([])
            if (!('isBackDated' in wanted && wanted.isBackDated))
              expectAlternatives(day, wanted, decision, free)
          }
          expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1))
          expect(fold(log)).toEqual(day)
          expectNumbered(day, log)
        },
      ),
      { numRuns: 10_000 },
    )
  }, 120_000)

  function aim(day: Day, [nth, what]: [number, Aimed], index: number): Command {
    if (isEnding(what)) return ending(day, nth, what)
    if (isWishing(what)) return aimWish(day, nth, what, index)
    const all = [...day.appointments.values()]
    const { id = 'a0', patientId = 'p0' } = all[nth % Math.max(1, all.length)] ?? {}
    if (what === 'cancel') return { ...cancel(0), appointmentId: id } as Command
    if (what === 'leave') return leave(index, id)
    if (what === 'change slot')
      return { ...leave(index, id), to: OPENING, choice: { slot: 1 + (nth % 5) } } as Command
    if (what === 'arrive')
      return { ...arrive(0), checkInId: `i-${index}`, appointmentId: id, patientId } as Command
    if (what === 'uncheck_in' || what === 'unserve') return { ...undo(0, what), appointmentId: id } as Command
    if (what === 'amend')
      return { ...undo(0, nth % 2 ? 'unserve' : 'uncheck_in', true), appointmentId: id } as Command
    return { ...step(0, what), appointmentId: id } as Command
  }

  /** Only a patient who is there gets the running slot, and only a visit recorded afterwards any other. */
  function expectNoneBegun(day: Day, events: Recorded[], command: Command, now: number): void {
    if (command.type === 'book' && command.isBackDated) return
    const given = events.flatMap((event) =>
      'slot' in event && event.type !== 'moved_out' ? [beginOf(day.timetable, event.slot)] : [],
    )
    const runningMs = command.type === 'walk_in' ? (day.hours?.minutesPerSlot ?? 0) * MINUTE : 0
    expect(given.filter((begin) => begin + runningMs <= now)).toEqual([])
  }

  /** Where a choice is refused, what is named instead can be had. */
  function expectAlternatives(
    day: Day,
    command: Command,
    decision: ReturnType<typeof apply>,
    free: number[],
  ) {
    if (decision.ok || day.version === 0) return
    const { appointmentId = '', patientId = '' } = command as { appointmentId?: string; patientId?: string }
    const own = [...day.slots].flatMap(([slot, { id }]) =>
      id === appointmentId || day.waitlist.get(id)?.patientId === patientId ? [slot] : [],
    )
    const named = (decision.alternatives ?? []).map(({ slot }) => slot)
    expect(named.filter((slot) => ![...free, ...own].includes(slot))).toEqual([])
    expect(named).not.toContain(day.appointments.get(appointmentId)?.slot)
  }

  function isWishing(what: Aimed): what is Wishing {
    return (WISHING as readonly Aimed[]).includes(what)
  }

  function isEnding(what: Aimed): what is Ending {
    return (ENDINGS as Aimed[]).includes(what)
  }

  function ending(day: Day, nth: number, what: Ending): Command {
    const nthOf = (ids: string[]) => Number(ids[nth % Math.max(1, ids.length)]?.slice(1) ?? 0)
    if (what === 'confirm') return confirm(nthOf([...day.reservations.keys()]))
    if (what === 'give back') return giveBack(nthOf([...day.reservations.keys()]))
    const move = nthOf([...day.moves.keys()])
    return what === 'settle' ? settle(move) : end(move, what, day.moves.get(`o${move}`)?.appointmentId)
  }
})
