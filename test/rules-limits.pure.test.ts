import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { freeOf, placesAmong } from '../src/doctor-day/rules/free-slots'
import { WAITLIST_MAX } from '../src/doctor-day/rules/limits'
import { decide } from '../src/doctor-day/rules/rules'
import { SLOTS_MAX } from '../src/doctor-day/state/slot-times'
import {
  absent,
  apply,
  at,
  book,
  cancel,
  dayAfter,
  decline,
  hold,
  LAPSE,
  NOON,
  next,
  OPENING,
  release,
  reserve,
  say,
  wait,
} from './day-commands'

/** Each slot is compared with all others, for each who waits. */
function placeAmong(free: Set<number>, span = 1, wish?: number): number | null {
  const fits = (slot: number) => Array.from({ length: span }).every((_, index) => free.has(slot + index))
  const firsts = wish === undefined ? [...free].sort((one, other) => one - other) : [wish]
  return firsts.find(fits) ?? null
}

const someSlots = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 30 })
const waiting = fc.array(
  fc.record({
    span: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    wish: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined, freq: 3 }),
  }),
  { maxLength: 40 },
)

test('who waits gets the place that a search of all slots for each of them finds', () => {
  fc.assert(
    fc.property(someSlots, waiting, (slots, all) => {
      const [places, free] = [placesAmong(slots), new Set(slots)]
      for (const { span, wish } of all) {
        expect(places.isEmpty()).toBe(free.size === 0)
        const slot = placeAmong(free, span, wish)
        expect(places.take(span, wish)).toBe(slot)
        for (let given = 0; slot !== null && given < (span ?? 1); given += 1) free.delete(slot + given)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('the slots at which a visit can begin are those that a search from each of them finds', () => {
  fc.assert(
    fc.property(someSlots, fc.integer({ min: 1, max: 5 }), (taken, span) => {
      const free = new Set(Array.from({ length: 40 }, (_, index) => index + 1))
      for (const slot of taken) free.delete(slot)
      const expected = [...free].filter((slot) => placeAmong(free, span, slot) !== null)
      expect(freeOf({ capacity: 40, timetable: null }, new Set(taken), { at: 0, span })).toEqual(expected)
    }),
  )
})

const LONGEST = 48

const long = (command: Command) => ({ ...command, span: LONGEST }) as Command
const wide = (command: Command) => ({ ...command, opening: { ...OPENING, capacity: SLOTS_MAX } }) as Command

/** As many slots, patients who wait, and slots of a visit as can be. Every other slot is booked. */
function fullest() {
  const day = dayAfter(say(true, SLOTS_MAX))
  for (let n = 1; n <= SLOTS_MAX; n += 2)
    apply(day, [], { ...book(n, true, n), choice: { slot: n } } as Command)
  for (let n = 2; n <= 20; n += 2) apply(day, [], { ...hold(n), choice: { slot: n } } as Command)
  for (let n = 0; n < WAITLIST_MAX; n += 1) apply(day, [], long(wait(n, 10_000 + n)))
  expect(day.waitlist.size).toBe(WAITLIST_MAX)
  return day
}

test('on the fullest day each command is decided within 50 ms', () => {
  const day = fullest()
  const commands: Record<string, [Command, number?]> = {
    cancel: [cancel(501)],
    book: [wide(book(9_001, true))],
    'book a taken slot': [wide({ ...book(9_001, true), choice: { slot: 501 } } as Command)],
    'book a long visit': [long(book(9_001, true))],
    'book a long visit at a slot': [long({ ...book(9_001, true), choice: { slot: 502 } } as Command)],
    hold: [long(hold(9_002))],
    release: [release(4)],
    'give up': [decline(7)],
    'give up the wait of a booking': [{ ...book(9_003, true), patientId: 'p10003' } as Command],
    reserve: [long(reserve(9_004, 3, true))],
    open: [say(true, SLOTS_MAX)],
    'set absent': [say(false)],
    leave: [absent()],
    lapse: [LAPSE, NOON + 3_600_000],
    'call next': [next()],
    erase: [{ type: 'erase_patient', opening: OPENING, patientId: 'p501' }],
  }
  const slow = Object.entries(commands).flatMap(([name, [command, now = NOON]]) => {
    const ms = Math.min(...[1, 2, 3].map(() => msOf(() => decide(day, command, at(now)))))
    return ms > 50 ? [`${name}: ${Math.round(ms)} ms`] : []
  })
  expect(slow).toEqual([])
})

function msOf(work: () => unknown): number {
  const began = performance.now()
  work()
  return performance.now() - began
}
