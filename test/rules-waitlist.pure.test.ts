import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import {
  accept,
  apply,
  book,
  bookHeld,
  cancel,
  dayAfter,
  decline,
  FULL,
  hold,
  LAPSE,
  MINUTE,
  NOON,
  say,
  step,
  wait,
} from './day-commands'

test('a cancelled slot is the next one given, lowest first', () => {
  const day = dayAfter(...FULL, cancel(2), cancel(1))
  expect(apply(day, [], book(4))).toMatchObject({ reply: { slot: 1 } })
  expect(apply(day, [], book(5))).toMatchObject({ reply: { slot: 2 } })
})

test('a freed slot is offered to the first in line in the same step, and from one to the next', () => {
  const day = dayAfter(...FULL, wait(4), wait(5), wait(6))
  expect(apply(day, [], cancel(2))).toMatchObject({
    events: [{ type: 'cancelled' }, { type: 'offered', waitId: 'w4', slot: 2 }],
  })
  expect(apply(day, [], decline(4))).toMatchObject({
    events: [
      { type: 'wait_ended', how: 'declined' },
      { type: 'offered', waitId: 'w5', slot: 2 },
    ],
  })
  expect(apply(day, [], LAPSE, NOON + 15 * MINUTE)).toMatchObject({
    events: [
      { type: 'wait_ended', waitId: 'w5', how: 'lapsed' },
      { type: 'offered', waitId: 'w6', slot: 2 },
    ],
  })
  expect(apply(day, [], accept(6, 9))).toMatchObject({ reply: { slot: 2, patientId: 'p6' } })
})

test('more capacity, an expired hold, a no-show and a doctor who comes back each make one offer a slot', () => {
  const more = dayAfter(...FULL, wait(4), wait(5), wait(6))
  expect(apply(more, [], say(true, 5))).toMatchObject({
    events: [{}, {}, { type: 'offered', waitId: 'w4', slot: 4 }, { type: 'offered', waitId: 'w5', slot: 5 }],
  })
  const expired = dayAfter(hold(1), book(2), book(3), wait(4))
  expect(apply(expired, [], LAPSE, NOON + 5 * MINUTE)).toMatchObject({
    events: [{ type: 'hold_ended' }, { type: 'offered', waitId: 'w4' }],
  })
  const missed = dayAfter(...FULL, wait(4))
  expect(apply(missed, [], step(2, 'no_show'))).toMatchObject({
    events: [{ type: 'no_show' }, { type: 'offered', waitId: 'w4', slot: 2 }],
  })
  const back = dayAfter(say(false), wait(4))
  expect(apply(back, [], say(true))).toMatchObject({
    events: [{}, { type: 'offered', waitId: 'w4', slot: 1 }],
  })
})

test('who waits already keeps the place; where there is room the offer is made at once', () => {
  const day = dayAfter(...FULL, wait(4), wait(5))
  expect(apply(day, [], wait(9, 4))).toMatchObject({
    events: [],
    reply: { id: 'w4', place: 1, isNew: false },
  })
  expect(apply(dayAfter(book(1)), [], wait(4))).toMatchObject({ reply: { offer: { slot: 2 }, isNew: true } })
})

test('who is booked while waiting leaves the line, and gets the slot that was offered', () => {
  const day = dayAfter(...FULL, wait(4), cancel(2))
  expect(apply(day, [], book(9, false, 4))).toMatchObject({ reply: { slot: 2, patientId: 'p4' } })
  expect(day.waitlist.size).toBe(0)
})

test('who books a held slot while another is offered to them passes the offer on', () => {
  const day = dayAfter(hold(1), book(2), book(3), wait(4), wait(5), cancel(2))
  expect(apply(day, [], bookHeld(1, 4))).toMatchObject({
    events: [
      { type: 'hold_ended' },
      { type: 'wait_ended', waitId: 'w4' },
      { type: 'booked', slot: 1 },
      { waitId: 'w5', slot: 2 },
    ],
  })
})

test('a booking without a choice takes one of the slots that the patient is offered for a longer visit', () => {
  const waits = { ...wait(4), span: 2 } as Command
  const day = dayAfter(...FULL, waits, cancel(1), cancel(2))
  expect(day.waitlist.get('w4')).toMatchObject({ offer: { slot: 1 }, span: 2 })
  expect(apply(day, [], book(6))).toMatchObject({ ok: false, refused: 'day_full' })
  expect(apply(day, [], book(4))).toMatchObject({
    events: [
      { type: 'wait_ended', waitId: 'w4' },
      { type: 'booked', slot: 1 },
    ],
    reply: { slot: 1, patientId: 'p4' },
  })
  expect(apply(day, [], book(6))).toMatchObject({ reply: { slot: 2 } })
  expect(apply(day, [], book(5))).toMatchObject({ ok: false, refused: 'day_full' })
})
