import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { EVENTS_MAX, KEY_EVENTS_MAX, WAITLIST_MAX } from '../src/doctor-day/rules/limits'
import { decide } from '../src/doctor-day/rules/rules'
import type { Day } from '../src/doctor-day/state/day'
import * as desk from './day-commands'

/** A day of which this is known, whatever else has happened. */
const long = (day: Day, version = EVENTS_MAX): Day => ({ ...day, version })
const busy = desk.dayAfter(
  desk.say(true, 5),
  desk.book(1),
  desk.book(2),
  desk.book(3),
  desk.arrive(3),
  desk.next(),
  desk.arrive(1),
  desk.hold(1),
  desk.wait(4, 4),
  desk.wait(5, 5),
  desk.reserve(6),
)

test.each<[string, Command]>([
  ['booking', desk.book(9)],
  ['holding', desk.hold(9)],
  ['waiting', desk.wait(9, 3)],
  ['walking in', desk.walkIn(9)],
  ['setting availability', desk.say(true)],
  ['declaring an absence', desk.absent()],
  ['beginning a move', desk.leave(1)],
  ['reserving for a move', desk.reserve(9)],
  ['requeuing', desk.step(1, 'requeue')],
  ['recalling', desk.step(1, 'recall')],
  ['undoing a check-in', desk.undo(1, 'uncheck_in')],
  ['undoing a completed visit', desk.undo(1, 'unserve')],
])('%s stops at the limit of a day, one event before it does not', (_, command) => {
  expect(desk.refusedBy(long(busy), command)).toBe('day_log_full')
  expect(desk.refusedBy(long(busy, EVENTS_MAX - 1), command)).not.toBe('day_log_full')
  const used = { ...busy, eventsOf: new Map([['key', KEY_EVENTS_MAX]]) }
  expect(desk.refusedBy(used, command)).toBe('key_log_full')
  expect(desk.refusedBy({ ...busy, eventsOf: new Map([['other', KEY_EVENTS_MAX]]) }, command)).not.toBe(
    'key_log_full',
  )
})

test.each<[string, Command]>([
  ['cancelling', desk.cancel(2)],
  ['checking in', desk.arrive(2)],
  ['calling', desk.next()],
  ['releasing a hold', desk.release(1)],
  ['booking a held slot', desk.bookHeld(1, 7)],
  ['leaving the waitlist', desk.decline(4)],
  ['releasing a reservation', desk.giveBack(6)],
  ['time passing', desk.LAPSE],
  ['serving', desk.step(3, 'serve')],
  ['skipping', desk.step(3, 'skip')],
  ['recording a no-show', desk.step(2, 'no_show')],
])('%s goes on beyond every limit', (_, command) => {
  const used = { ...long(busy, EVENTS_MAX + 5), eventsOf: new Map([['key', KEY_EVENTS_MAX + 5]]) }
  expect(decide(used, command, desk.at(desk.NOON))).toMatchObject({ ok: true })
})

test('a waitlist takes so many patients and no more; who waits already keeps the place', () => {
  const full = desk.dayAfter(
    ...desk.FULL,
    ...Array.from({ length: WAITLIST_MAX }, (_, n) => desk.wait(n + 100)),
  )
  expect(full.waitlist.size).toBe(WAITLIST_MAX)
  expect(desk.refusedBy(full, desk.wait(9_999))).toBe('waitlist_full')
  expect(desk.refusedBy(full, desk.wait(9_999, 100))).toBe('accepted')
  expect(desk.refusedBy(full, desk.decline(100))).toBe('accepted')
})
