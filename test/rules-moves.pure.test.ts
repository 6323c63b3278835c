import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import {
  apply,
  arrive,
  book,
  cancel,
  confirm,
  dayAfter,
  end,
  giveBack,
  leave,
  refusedBy,
  reserve,
  say,
  step,
  wait,
} from './day-commands'

const CASES_OF_MOVES: [string, Command[], Command, string][] = [
  ['moving what was cancelled', [book(1), cancel(1)], leave(1), 'already_cancelled'],
  ['moving after check-in', [book(1), arrive(1)], leave(1), 'already_checked_in'],
  ['moving what is on its way', [book(1), leave(1)], leave(2, 'a1'), 'moving'],
  ['cancelling what is on its way', [book(1), leave(1)], cancel(1), 'moving'],
  ['checking in what is on its way', [book(1), leave(1)], arrive(1), 'moving'],
  ['a no-show of what is on its way', [book(1), leave(1)], step(1, 'no_show'), 'moving'],
  ['cancelling what has gone', [book(1), leave(1), end(1, 'moved')], cancel(1), 'moved'],
  ['checking in what has gone', [book(1), leave(1), end(1, 'moved')], arrive(1), 'moved'],
  ['ending a move twice', [book(1), leave(1), end(1, 'moved')], end(1, 'lost'), 'unavailable'],
  ['ending what never began', [book(1)], end(1, 'moved'), 'unavailable'],
  ['a reserve on a full day', [book(1), book(2), book(3)], reserve(4), 'day_full'],
  ['a reserve with an absent doctor', [say(false)], reserve(1), 'doctor_absent'],
  ['a reserve for a patient who is booked', [book(1)], reserve(1), 'already_booked'],
  ['a reserve after its release', [book(1), giveBack(2)], reserve(2), 'unavailable'],
  ['booking a patient who is on the way here', [reserve(1)], book(1), 'already_booked'],
  ['booking the last slot, kept for a move', [book(1), book(2), reserve(3)], book(4), 'day_full'],
  ['confirming what was released', [reserve(1), giveBack(1)], confirm(1), 'not_found'],
  ['confirming what was never reserved', [book(1)], confirm(1), 'not_found'],
]
test.each(CASES_OF_MOVES)('%s is refused', (_, before, command, refused) => {
  expect(refusedBy(dayAfter(...before), command)).toBe(refused)
})

test('news of where an appointment lives counts only where it is newer', () => {
  const day = dayAfter(book(1), leave(1), end(1, 'moved'))
  const to = (moves: number) => ({ doctorId: 'd', date: `2026-03-2${moves}`, moveId: 'm', slot: 1, moves })
  const tell = (moves: number) =>
    apply(day, [], { type: 'point', clinicId: 'c', appointmentId: 'a1', to: to(moves) })
  for (const moves of [3, 2, 3]) tell(moves)
  expect(day.movedTo.get('a1')).toEqual(to(3))
})

test('a move to a full day takes the very slot that is offered to its patient, and lets the line go on', () => {
  const day = dayAfter(book(1), book(2), book(3), wait(4), wait(5), cancel(2))
  expect(apply(day, [], reserve(9, 5))).toMatchObject({ refused: 'day_full' })
  expect(apply(day, [], reserve(9, 4))).toMatchObject({ reply: { appointment: { slot: 2 } } })
  apply(day, [], giveBack(9))
  expect(day.waitlist.get('w4')?.offer?.slot).toBe(2)
  apply(day, [], reserve(10, 4))
  apply(day, [], cancel(1))
  expect(day.waitlist.get('w4')?.offer?.slot).toBe(1)
  apply(day, [], confirm(10))
  expect([day.waitlist.has('w4'), day.waitlist.get('w5')?.offer?.slot]).toEqual([false, 1])
})
