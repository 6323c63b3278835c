import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command, StepName, UndoName } from '../src/doctor-day/commands'
import { type Day, type EventOf, emptyDay, type Recorded } from '../src/doctor-day/state/day'
import { fold } from '../src/doctor-day/state/fold'
import { beginOf, type WorkingHours } from '../src/doctor-day/state/slot-times'
import { absenceOf, ledgerOf } from '../src/doctor-day/state/views'
import {
  absent,
  accept,
  apply,
  arrive,
  book,
  bookHeld,
  cancel,
  confirm,
  DATE,
  decline,
  end,
  giveBack,
  hold,
  LAPSE,
  leave,
  MINUTE,
  NOON,
  next,
  release,
  reserve,
  say,
  settle,
  step,
  undo,
  wait,
  walkIn,
} from './day-commands'

/** What holds after every single event. */
function expectSound(day: Day): void {
  const { booked, held, offered, remaining, capacity } = ledgerOf(day)
  expect(booked + held + offered + remaining).toBe(capacity)
  expect(Math.min(booked, held, offered, remaining)).toBeGreaterThanOrEqual(0)
  const owners = [...day.slots.values()].map(({ kind, id }) => `${kind} ${id}`)
  expect(new Set(owners).size).toBe(owners.length)
  expect([...day.slots.keys()].every((slot) => slot >= 1 && slot <= capacity)).toBe(true)
  const active = [...day.appointments.values()].filter(({ status }) => status === 'booked')
  expect(active.length).toBe(booked)
  for (const { id, slot } of active) expect(day.slots.get(slot)).toEqual({ kind: 'appointment', id })
  for (const { id, offer } of day.waitlist.values())
    if (offer) expect(day.slots.get(offer.slot)).toEqual({ kind: 'offer', id })
  for (const { id, slot } of day.holds.values()) expect(day.slots.get(slot)).toEqual({ kind: 'hold', id })
  for (const { id, appointment } of day.reservations.values())
    expect(day.slots.get(appointment.slot)).toEqual({ kind: 'reservation', id })
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
  for (const { slot, startsAt, endsAt } of [...counted, ...day.holds.values()])
    expect([startsAt, endsAt]).toEqual(timesIn(day.hours, slot))
  for (const { offer } of day.waitlist.values())
    if (offer) expect([offer.startsAt, offer.endsAt]).toEqual(timesIn(day.hours, offer.slot))
  const positions = [...day.checkIns.values()].map(({ position }) => position).sort((a, b) => a - b)
  expect(new Set(positions).size).toBe(positions.length)
  expect(positions.at(-1) ?? 0).toBeLessThanOrEqual(day.lastPosition)
  for (const id of day.checkIns.keys())
    expect(['booked', 'no_show']).toContain(day.appointments.get(id)?.status)
  expect(day.slots.has(day.lowestFreeSlot)).toBe(false)
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

/** When a slot is, reckoned anew: the day of these commands is in UTC. */
function timesIn(hours: WorkingHours | null, slot: number): (string | null)[] {
  if (!hours) return [null, null]
  const begins = Date.parse(`${DATE}T${hours.from}:00Z`)
  return [slot - 1, slot].map((slots) =>
    new Date(begins + slots * hours.minutesPerSlot * MINUTE).toISOString().replace('.000Z', '+00:00'),
  )
}

describe('whatever happens, in any order', () => {
  const small = fc.nat(12)
  type Ending = 'moved' | 'refused' | 'lost' | 'settle' | 'confirm' | 'give back'
  type Aimed = StepName | UndoName | 'amend' | 'cancel' | 'arrive' | 'leave' | Ending
  const ENDINGS: Ending[] = ['moved', 'refused', 'lost', 'settle', 'confirm', 'give back']
  const hours = fc.constantFrom<WorkingHours | null | undefined>(
    undefined,
    null,
    { from: '13:00', to: '15:00', minutesPerSlot: 30 },
    { from: '13:00', to: '14:30', minutesPerSlot: 30 },
    { from: '12:15', to: '15:00', minutesPerSlot: 45 },
    { from: '20:15', to: '23:00', minutesPerSlot: 45 },
  )
  const STEPS: StepName[] = ['serve', 'skip', 'requeue', 'no_show', 'recall']
  const UNDO = ['uncheck_in', 'unserve', 'amend'] as const
  const command: fc.Arbitrary<(index: number) => Command> = fc.oneof(
    fc.tuple(small, fc.boolean()).map(
      ([n, another]) =>
        (i: number) =>
          book(100 * i + n, another, n % 7),
    ),
    small.map((n) => (i: number) => hold(i, 1 + n)),
    fc.nat(40).map((n) => (i: number) => bookHeld(n, 10_000 + i)),
    fc.nat(40).map((n) => () => release(n)),
    small.map((n) => (i: number) => wait(i, n % 9)),
    fc.nat(40).map((n) => (i: number) => accept(n, 20_000 + i)),
    fc.nat(40).map((n) => () => decline(n)),
    fc.tuple(fc.boolean(), fc.option(fc.integer({ min: 1, max: 6 })), hours).map(
      ([here, size, hours]) =>
        () =>
          say(here, size, hours),
    ),
    small.map((n) => (i: number) => ({ ...walkIn(30_000 + i), patientId: `p${n % 7}` }) as Command),
    fc.constant(() => next()),
    fc.constant(() => LAPSE),
    fc.constant(() => absent()),
    fc.tuple(small, fc.boolean()).map(
      ([n, another]) =>
        (i: number) =>
          reserve(i, n % 7, another),
    ),
    fc.nat(40).map((n) => () => confirm(n)),
    fc.nat(40).map((n) => () => giveBack(n)),
    fc.nat(40).map((n) => () => settle(n)),
  )
  /** Aims at an appointment that there is, so that not everything is refused. */
  const aimed = fc.tuple(
    fc.nat(9),
    fc.constantFrom<Aimed>('cancel', 'arrive', 'leave', ...ENDINGS, ...STEPS, ...UNDO),
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
            const live = [...day.waitlist.values()].filter(({ offer }) => offer === null)
            const isOpenToOffers = day.availability?.isPresent !== false
            const free = ledgerOf(day).slots.filter(
              ({ slot, occupant }) => !occupant && beginOf(day.timetable, slot) > now,
            )
            if (live.length > 0 && isOpenToOffers) expect(free).toEqual([])
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
    const all = [...day.appointments.values()]
    const { id = 'a0', patientId = 'p0' } = all[nth % Math.max(1, all.length)] ?? {}
    if (what === 'cancel') return { ...cancel(0), appointmentId: id } as Command
    if (what === 'leave') return leave(index, id)
    if (what === 'arrive')
      return { ...arrive(0), checkInId: `i-${index}`, appointmentId: id, patientId } as Command
    if (what === 'uncheck_in' || what === 'unserve') return { ...undo(0, what), appointmentId: id } as Command
    if (what === 'amend')
      return { ...undo(0, nth % 2 ? 'unserve' : 'uncheck_in', true), appointmentId: id } as Command
    return { ...step(0, what), appointmentId: id } as Command
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
