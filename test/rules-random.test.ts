import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command, StepName } from '../src/doctor-day/commands'
import { type Day, emptyDay, type Recorded } from '../src/doctor-day/day'
import { fold } from '../src/doctor-day/fold'
import { ledgerOf } from '../src/doctor-day/ledger'
import type { WorkingHours } from '../src/doctor-day/slot-times'
import {
  accept,
  apply,
  arrive,
  book,
  bookHeld,
  cancel,
  DATE,
  decline,
  hold,
  LAPSE,
  MINUTE,
  NOON,
  next,
  release,
  say,
  step,
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
  for (const { slot, startsAt, endsAt } of [...active, ...day.holds.values()])
    expect([startsAt, endsAt]).toEqual(timesIn(day.hours, slot))
  for (const { offer } of day.waitlist.values())
    if (offer) expect([offer.startsAt, offer.endsAt]).toEqual(timesIn(day.hours, offer.slot))
  const positions = [...day.checkIns.values()].map(({ position }) => position).sort((a, b) => a - b)
  expect(positions).toEqual(positions.map((_, index) => index + 1))
  expect(day.slots.has(day.lowestFreeSlot)).toBe(false)
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
  const hours = fc.constantFrom<WorkingHours | null | undefined>(
    undefined,
    null,
    { from: '09:00', to: '11:00', minutesPerSlot: 30 },
    { from: '09:00', to: '10:30', minutesPerSlot: 30 },
    { from: '08:15', to: '11:00', minutesPerSlot: 45 },
  )
  const STEPS: StepName[] = ['serve', 'skip', 'requeue', 'no_show', 'recall']
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
  )
  /** Aims at an appointment that there is, so that not everything is refused. */
  const aimed = fc.tuple(
    fc.nat(9),
    fc.constantFrom<StepName | 'cancel' | 'arrive'>('cancel', 'arrive', ...STEPS),
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
            const wanted = Array.isArray(move) ? aim(day, move) : move(index)
            const before = structuredClone(day)
            const decision = apply(day, log, wanted, now, expectSound)
            if (!decision.ok) expect(day).toEqual(before)
            const live = [...day.waitlist.values()].filter(({ offer }) => offer === null)
            const isOpenToOffers = day.availability?.isPresent !== false
            if (live.length > 0 && isOpenToOffers) expect(ledgerOf(day).remaining).toBe(0)
          }
          expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1))
          expect(fold(log)).toEqual(day)
        },
      ),
      { numRuns: 10_000 },
    )
  }, 120_000)

  function aim(day: Day, [nth, what]: [number, StepName | 'cancel' | 'arrive']): Command {
    const all = [...day.appointments.values()]
    const { id = 'a0', patientId = 'p0' } = all[nth % Math.max(1, all.length)] ?? {}
    if (what === 'cancel') return { ...cancel(0), appointmentId: id } as Command
    if (what === 'arrive')
      return { ...arrive(0), checkInId: `i-${id}`, appointmentId: id, patientId } as Command
    return { ...step(0, what), appointmentId: id } as Command
  }
})
