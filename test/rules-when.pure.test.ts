import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { decide } from '../src/doctor-day/rules/rules'
import type { Day, Opening } from '../src/doctor-day/state/day'
import type { Recorded } from '../src/doctor-day/state/event'
import { emptyDay, evolve } from '../src/doctor-day/state/fold'
import { closesAt } from '../src/doctor-day/state/slot-times'
import {
  absent,
  accept,
  apply,
  at,
  book,
  bookHeld,
  cancel,
  DATE,
  decline,
  hold,
  leave,
  MINUTE,
  OPENING,
  refusedBy,
  release,
  reserve,
  say,
  step,
  wait,
  walkIn,
} from './day-commands'

/** What a day still gives, as time goes by. Three slots of half an hour from nine: 09:00, 09:30, 10:00. */

const HOURS = { from: '09:00', to: '10:30', minutesPerSlot: 30 }
const TIMED: Opening = { ...OPENING, hours: HOURS }
const clock = (time: string) => Date.parse(`${DATE}T${time}:00Z`)
const onTimedDay = (command: Command): Command =>
  'opening' in command ? ({ ...command, opening: TIMED } as Command) : command

/** Each command at its time of the clock. */
function timedDay(...steps: [time: string, command: Command][]): Day {
  const day = emptyDay()
  for (const [time, command] of steps) apply(day, [], onTimedDay(command), clock(time))
  return day
}
function slotOf(day: Day, command: Command, time: string): unknown {
  const decision = decide(day, onTimedDay(command), at(clock(time)))
  if (!decision.ok) return decision.refused
  const given = decision.events.find((event) => 'slot' in event)
  return given && 'slot' in given ? given.slot : null
}

test.each<[string, number | 'day_full', number | 'day_full']>([
  ['00:00', 1, 1],
  ['08:59', 1, 1],
  ['09:00', 2, 1],
  ['09:29', 2, 1],
  ['09:30', 3, 2],
  ['09:59', 3, 2],
  ['10:00', 'day_full', 3],
  ['10:29', 'day_full', 3],
  ['10:30', 'day_full', 'day_full'],
  ['23:59', 'day_full', 'day_full'],
])('at %s a booking, a hold and a move get %s, and a walk-in %s', (time, slot, walkInSlot) => {
  for (const day of [emptyDay(), timedDay(['08:00', say(true)])]) {
    for (const command of [book(1), hold(1), reserve(1)]) expect(slotOf(day, command, time)).toBe(slot)
    expect(slotOf(day, wait(1), time)).toBe(slot === 'day_full' ? 'day_over' : slot)
    expect(slotOf(day, walkIn(1), time)).toBe(walkInSlot)
  }
})

test('the lowest free slot that has not begun is given, whatever is taken before and behind it', () => {
  const day = timedDay(['08:00', book(1)], ['08:00', book(2)], ['08:00', book(3)], ['08:01', cancel(1)])
  expect(slotOf(day, book(4), '08:59')).toBe(1)
  expect(slotOf(day, book(4), '09:00')).toBe('day_full')
  expect(slotOf(day, walkIn(4), '09:00')).toBe(1)
  const other = timedDay(['08:00', book(1)], ['08:00', book(2)], ['08:00', book(3)], ['08:01', cancel(3)])
  expect(slotOf(other, book(4), '09:40')).toBe(3)
})

test('without working hours no slot begins: all of the date books as before', () => {
  for (const time of ['00:00', '12:00', '23:59'])
    expect(refusedBy(emptyDay(), book(1), clock(time))).toBe('accepted')
})

test('overtime behind the hours is given until its last slot begins', () => {
  const day = timedDay(['08:00', say(true, 5)])
  expect(slotOf(day, book(1), '10:30')).toBe(5)
  expect(slotOf(day, book(1), '11:00')).toBe('day_full')
})

test('a slot that is freed after its begin is offered to nobody; one freed before it is', () => {
  const full = timedDay(...times(3, (n): [string, Command] => ['08:00', book(n + 1)]), ['08:00', wait(9)])
  expect(slotOf(full, cancel(1), '09:00')).toBeNull()
  expect(slotOf(full, cancel(2), '09:00')).toBe(2)
  expect(slotOf(full, step(1, 'no_show'), '09:10')).toBeNull()
  const held = timedDay(['08:50', hold(1)], ['08:50', book(2)], ['08:50', book(3)], ['08:50', wait(9)])
  expect(slotOf(held, release(1), '08:59')).toBe(1)
  expect(slotOf(held, release(1), '09:00')).toBeNull()
  expect(slotOf(held, say(true, 4), '09:00')).toBe(4)
})

test('a hold and an offer stand until the begin of their slot at most, and cannot be used after it', () => {
  const held = timedDay(['08:58', hold(1, 10)])
  expect([...held.holds.values()]).toMatchObject([{ slot: 1, expiresAt: clock('09:00') }])
  expect(refusedBy(held, bookHeld(1, 1), clock('08:59'))).toBe('accepted')
  expect(refusedBy(held, bookHeld(1, 1), clock('09:00'))).toBe('hold_over')
  const offered = timedDay(['08:58', wait(1)])
  expect([...offered.waitlist.values()]).toMatchObject([{ offer: { slot: 1, deadline: clock('09:00') } }])
  expect(refusedBy(offered, accept(1, 1), clock('08:59'))).toBe('accepted')
  expect(refusedBy(offered, accept(1, 1), clock('09:00'))).toBe('offer_over')
  expect(slotOf(offered, book(1), '08:59')).toBe(1)
  expect(slotOf(offered, book(1), '09:00')).toBe(2)
})

test('the waitlist takes no patient once each slot has begun, and keeps those who wait', () => {
  const waiting = (day: Day, patient: number, time: string) =>
    refusedBy(day, onTimedDay(wait(patient)), clock(time))
  for (const day of [timedDay(), timedDay(['08:00', wait(1)]), timedDay(['08:00', absent()])])
    expect([waiting(day, 2, '09:59'), waiting(day, 2, '10:00')]).toEqual(['accepted', 'day_over'])
  expect(waiting(timedDay(['08:00', wait(1)]), 1, '10:00')).toBe('accepted')
  const unoffered = timedDay(...[1, 2, 3].map((n): [string, Command] => ['08:00', book(n)]), [
    '08:00',
    wait(4),
  ])
  expect(refusedBy(unoffered, accept(4, 4), clock('09:59'))).toBe('no_offer')
  expect(refusedBy(unoffered, accept(4, 4), clock('10:00'))).toBe('day_over')
  // With more capacity a slot could still come free.
  const more = timedDay(['08:00', say(true, 1)])
  expect([waiting(more, 2, '09:00'), waiting(more, 2, '09:29')]).toEqual(['day_over', 'day_over'])
  apply(more, [], say(true, 3), clock('09:10'))
  expect(waiting(more, 2, '09:29')).toBe('accepted')
  // Without working hours slots have no times.
  expect(refusedBy(emptyDay(), wait(2), TOMORROW - 1)).toBe('accepted')
})

const YESTERDAY = clock('00:00') - MINUTE
const TOMORROW = clock('23:59') + MINUTE

test.each<[string, Command]>([
  ['a booking', book(5)],
  ['a hold', hold(5)],
  ['the booking of a hold', bookHeld(1, 5)],
  ['a place in the waitlist', wait(5)],
  ['an accepted offer', accept(4, 4)],
  ['a move to it', reserve(5)],
  ['availability', say(true)],
])('%s is for the date and those before it: when the date is over, it is refused', (_, command) => {
  const day = emptyDay()
  const opening = { ...OPENING, capacity: 9 }
  for (const before of [hold(1, 10_000), book(1), wait(4)])
    apply(day, [], 'opening' in before ? ({ ...before, opening } as Command) : before, YESTERDAY)
  expect(refusedBy(day, command, YESTERDAY)).toBe('accepted')
  expect(refusedBy(day, command, TOMORROW - 1)).toBe('accepted')
  expect(refusedBy(day, command, TOMORROW)).toBe('date_over')
})

test('yesterday’s patients can still be cancelled, be no-shows, be served, be moved, and be freed of an absence', () => {
  const day = emptyDay()
  for (const before of [book(1), book(2), wait(3)]) apply(day, [], before, YESTERDAY)
  const away = { ...leave(2), to: { ...OPENING, date: '2026-03-20' } } as Command
  for (const command of [cancel(1), step(1, 'no_show'), away, absent(), decline(3), LAST_RELEASE])
    expect([command.type, refusedBy(day, command, TOMORROW)]).toEqual([command.type, 'accepted'])
  const freed = decide(day, cancel(1), at(TOMORROW))
  expect(freed.ok && freed.events.map(({ type }) => type)).toEqual(['cancelled'])
})
const LAST_RELEASE: Command = { type: 'release_move', opening: OPENING, moveId: 'm' }

test('a date of the past that is unused stays unused', () => {
  for (const command of [book(1), hold(1), wait(1), reserve(1), say(false), absent()])
    expect([command.type, refusedBy(emptyDay(), command, TOMORROW)]).toEqual([command.type, 'date_over'])
})

test.each(['0026-03-14', '1999-12-31', '2026-03-13'])('a move or an absence to %s is refused', (date) => {
  const day = emptyDay()
  apply(day, [], book(1), clock('08:00'))
  const to = { ...OPENING, date }
  expect(refusedBy(day, { ...leave(1), to } as Command, clock('09:00'))).toBe('date_over')
  expect(refusedBy(day, { ...absent(), moveTo: to } as Command, clock('09:00'))).toBe('date_over')
})

test.each([
  ['2026-03-13', 'date_over'],
  ['2026-03-14', 'accepted'],
  ['2056-12-31', 'accepted'],
])('%s, seen from 14 March 2026, is %s', (date, expected) => {
  const opening = { ...OPENING, date }
  for (const command of [book(1), hold(1), wait(1), say(true), reserve(1), absent()])
    expect(refusedBy(emptyDay(), { ...command, opening } as Command, clock('12:00'))).toBe(expected)
})

test.each([
  ['Pacific/Kiritimati', '2026-03-14T09:59:59Z', 'accepted'],
  ['Pacific/Kiritimati', '2026-03-14T10:00:00Z', 'date_over'],
  ['Asia/Kolkata', '2026-03-14T18:29:59Z', 'accepted'],
  ['Asia/Kolkata', '2026-03-14T18:30:00Z', 'date_over'],
  ['Pacific/Pago_Pago', '2026-03-15T10:59:59Z', 'accepted'],
  ['Pacific/Pago_Pago', '2026-03-15T11:00:00Z', 'date_over'],
])('a date is over when it is over at the clinic: in %s at %s a booking is %s', (timeZone, now, expected) => {
  const opening = { ...OPENING, timeZone }
  expect(refusedBy(emptyDay(), { ...book(1), opening } as Command, Date.parse(now))).toBe(expected)
})

test('at any time, with any slots taken, the slot given is the lowest that is free and has not begun', () => {
  const minutes = fc.integer({ min: -30, max: 16 * 60 })
  const slots = 40
  fc.assert(
    fc.property(
      minutes,
      fc.integer({ min: 1, max: 60 }),
      fc.uniqueArray(fc.integer({ min: 1, max: slots })),
      (minute, each, taken) => {
        const opening = {
          ...OPENING,
          capacity: slots,
          hours: { from: '00:30', to: '24:00', minutesPerSlot: each },
        }
        const now = clock('00:30') + minute * MINUTE
        const day = emptyDay()
        const events = [
          { type: 'opened', ...opening },
          ...taken.map((slot) => ({
            type: 'booked',
            appointmentId: `t${slot}`,
            patientId: `t${slot}`,
            slot,
          })),
        ]
        fold(day, events)
        const begins = (slot: number) => clock('00:30') + (slot - 1) * each * MINUTE
        const free = times(slots, (n) => n + 1).filter((slot) => !taken.includes(slot))
        const expected = free.find((slot) => begins(slot) > now) ?? 'day_full'
        const running = free.find((slot) => begins(slot + 1) > now) ?? 'day_full'
        const given = (command: Command) => {
          const decision = decide(day, { ...command, opening } as Command, at(now))
          const booked = decision.ok && decision.events.find(({ type }) => type === 'booked')
          return decision.ok ? booked && 'slot' in booked && booked.slot : decision.refused
        }
        expect(given(book(1))).toBe(expected)
        expect(given(walkIn(1))).toBe(running)
      },
    ),
  )
})

test.each([
  [3, clock('10:00')],
  [1, clock('09:00')],
  [5, clock('10:30')],
  [0, 0],
])(
  'a day of %i slots takes no more patients from the end of the hours or the last begin on',
  (capacity, closing) => {
    const { timetable } = timedDay(['08:00', say(true)])
    expect(closesAt(timetable, capacity)).toBe(closing)
    expect(closesAt(null, capacity)).toBeNull()
  },
)

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))

function fold(day: Day, events: object[]): void {
  for (const event of events) evolve(day, { ...event, seq: day.version + 1, at: 0, actor: 'key' } as Recorded)
}
