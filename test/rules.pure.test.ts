import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { decide } from '../src/doctor-day/rules/rules'
import type { Day } from '../src/doctor-day/state/day'
import { emptyDay } from '../src/doctor-day/state/fold'
import { slotNumbers } from '../src/doctor-day/state/slot-times'
import {
  accept,
  apply,
  arrive,
  at,
  book,
  bookHeld,
  cancel,
  dayAfter,
  decline,
  FULL,
  hold,
  NOON,
  next,
  OPENING,
  refusedBy,
  release,
  say,
  step,
  wait,
  walkIn,
} from './day-commands'

test('a command for another clinic’s day finds nothing', () => {
  const day = dayAfter(book(1), hold(1), wait(4))
  const foreign = { ...OPENING, clinicId: 'other' }
  const commands = [book(2), hold(2), wait(5), say(true), walkIn(3), next()].map(
    (command) => ({ ...command, opening: foreign }) as Command,
  )
  const byId = [
    cancel(1),
    arrive(1),
    release(1),
    accept(4, 5),
    decline(4),
    step(1, 'serve'),
    bookHeld(1, 2),
  ].map((command) => ({ ...command, clinicId: 'other' }) as Command)
  for (const command of [...commands, ...byId])
    expect([command.type, refusedBy(day, command)]).toEqual([command.type, 'not_found'])
})

const HOURS = { from: '14:00', to: '17:00', minutesPerSlot: 60 }
const hours = (change = {}) => say(true, null, { ...HOURS, ...change })
test.each<[string, Command[], Command, string]>([
  ['an absent doctor', [say(false)], book(1), 'doctor_absent'],
  ['a hold with an absent doctor', [say(false)], hold(1), 'doctor_absent'],
  ['a patient with an appointment', [book(1)], book(8), 'already_booked'],
  ['a full day', FULL, book(4), 'day_full'],
  ['a hold on a full day', FULL, hold(4), 'day_full'],
  ['a day full of holds', [hold(1), hold(2), hold(3)], book(4), 'day_full'],
  ['a day whose free slot is offered to another', [...FULL, wait(5), cancel(1)], book(4), 'day_full'],
  ['a capacity below what is taken', [book(1), book(2)], say(true, 1), 'capacity_below_taken'],
  ['other hours where a slot is booked', [hours(), book(1)], hours({ from: '13:00' }), 'hours_in_use'],
  ['other hours where a slot is held', [hours(), hold(1)], hours({ minutesPerSlot: 30 }), 'hours_in_use'],
  [
    'other hours where a slot is offered',
    [hours(), wait(1)],
    hours({ from: '13:00', to: '16:00' }),
    'hours_in_use',
  ],
  ['taking hours away where a slot is booked', [hours(), book(1)], say(true, null, null), 'hours_in_use'],
  ['hours where a slot has none', [book(1)], hours(), 'hours_in_use'],
  [
    'hours that end before the last slot taken',
    [hours(), book(1), book(2)],
    hours({ to: '15:00' }),
    'capacity_below_taken',
  ],
  ['one slot more than fit', [hours({ to: '15:00' }), book(1)], book(2), 'day_full'],
  ['cancelling twice', [book(1), cancel(1)], cancel(1), 'already_cancelled'],
  ['cancelling after check-in', [book(1), arrive(1)], cancel(1), 'already_checked_in'],
  ['checking in what was cancelled', [book(1), cancel(1)], arrive(1), 'already_cancelled'],
  ['a hold used twice', [hold(1), bookHeld(1, 1)], bookHeld(1, 2), 'hold_over'],
  ['a hold that was released', [hold(1), release(1)], bookHeld(1, 2), 'hold_over'],
  ['an unknown hold', [book(1)], bookHeld(9, 2), 'not_found'],
  ['accepting before there is an offer', [...FULL, wait(4)], accept(4, 9), 'no_offer'],
  ['accepting what was declined', [...FULL, wait(4), cancel(1), decline(4)], accept(4, 9), 'offer_over'],
  ['waiting with an appointment', [book(1)], wait(9, 1), 'already_booked'],
  ['an unknown appointment', [book(1)], arrive(2), 'not_found'],
  ['another patient', [book(1)], arrive(1, 2), 'wrong_patient'],
  ['a second check-in', [book(1), arrive(1)], arrive(1), 'already_checked_in'],
  ['a walk-in on a full day', FULL, walkIn(4), 'day_full'],
  ['serving who was not called', [book(1), arrive(1)], step(1, 'serve'), 'illegal_step'],
  [
    'skipping who was served',
    [book(1), arrive(1), next(), step(1, 'serve')],
    step(1, 'skip'),
    'illegal_step',
  ],
])('%s is refused', (_, before, command, refused) => {
  expect(refusedBy(dayAfter(...before), command)).toBe(refused)
})

test('hours say what they change, and bring as many slots as fit unless a number is said', () => {
  const day = dayAfter(say(true))
  expect(apply(day, [], hours())).toMatchObject({
    events: [{ type: 'availability_set' }, { type: 'hours_set', hours: HOURS }],
    reply: { capacity: 3, hours: HOURS },
  })
  expect(apply(day, [], say(true))).toMatchObject({
    events: [{ type: 'availability_set' }],
    reply: { hours: HOURS },
  })
  expect(apply(day, [], say(true, 5, { ...HOURS, to: '16:00' }))).toMatchObject({
    events: [{ type: 'availability_set' }, { type: 'hours_set' }, { type: 'capacity_set', capacity: 5 }],
  })
  expect(apply(day, [], hours({ to: '16:00' }))).toMatchObject({
    events: [{ type: 'availability_set' }, { type: 'capacity_set', capacity: 2 }],
  })
  expect(apply(day, [], say(true, null, null))).toMatchObject({
    events: [{ type: 'availability_set' }, { type: 'hours_set', hours: null }],
    reply: { capacity: 2, hours: null },
  })
})

test('hours are reckoned in the zone that the day was opened with', () => {
  const newYork = { ...OPENING, date: '2027-03-14', timeZone: 'America/New_York' }
  const day = dayAfter({ ...say(true), opening: newYork } as Command)
  const allDay = {
    ...hours({ from: '00:00', to: '24:00' }),
    opening: { ...newYork, timeZone: 'UTC' },
  } as Command
  expect(apply(day, [], allDay)).toMatchObject({ reply: { capacity: 23 } })
})

test('urgent goes before normal, ties by arrival; the position never changes', () => {
  const day = dayAfter(...FULL, arrive(1), arrive(2, 2, 'urgent'), arrive(3, 3, 'urgent'))
  const order = [next('a'), next('b'), next('c'), next('d')].map((command) => apply(day, [], command))
  expect(order).toMatchObject([
    { reply: { appointmentId: 'a2', position: 2, room: 'a' } },
    { reply: { appointmentId: 'a3', position: 3, room: 'b' } },
    { reply: { appointmentId: 'a1', position: 1, room: 'c' } },
    { reply: null },
  ])
})

test('an illegal step says what stands, what was wanted and what could be', () => {
  expect(decide(dayAfter(book(1), arrive(1), next()), step(1, 'no_show'), at(NOON))).toEqual({
    ok: false,
    refused: 'illegal_step',
    transition: { from: 'called', to: 'no_show', allowed: ['served', 'skipped', 'waiting', 'called'] },
  })
})

test('a check-in on the wrong date is refused, in the zone that the day was opened with', () => {
  const day = dayAfter({ ...book(1), opening: { ...OPENING, timeZone: 'Asia/Kolkata' } } as Command)
  expect(refusedBy(day, arrive(1), Date.parse('2026-03-13T18:29:59Z'))).toBe('wrong_date')
  expect(refusedBy(day, arrive(1), Date.parse('2026-03-13T18:30:00Z'))).toBe('accepted')
  expect(refusedBy(day, arrive(1), Date.parse('2026-03-14T18:30:00Z'))).toBe('wrong_date')
})

test('the reply to a command is what its events make of the day', () => {
  const day = emptyDay()
  expect(apply(day, [], book(1))).toMatchObject({ reply: day.appointments.get('a1') })
  expect(apply(day, [], arrive(1))).toMatchObject({ reply: day.checkIns.get('a1') })
  expect(apply(day, [], next('r'))).toMatchObject({ reply: day.checkIns.get('a1') })
  expect(apply(day, [], step(1, 'recall'))).toMatchObject({ reply: day.checkIns.get('a1') })
  expect(apply(day, [], step(1, 'skip'))).toMatchObject({ reply: day.checkIns.get('a1') })
  expect(apply(day, [], step(1, 'requeue'))).toMatchObject({ reply: day.checkIns.get('a1') })
  expect(apply(day, [], hold(1))).toMatchObject({ reply: day.holds.get('h1') })
  expect(apply(day, [], wait(4))).toMatchObject({ reply: day.waitlist.get('w4') })
  expect(apply(day, [], say(false, 5))).toMatchObject({ reply: { ...day.availability, capacity: 5 } })
  const other = dayAfter(book(1))
  expect(apply(other, [], cancel(1))).toMatchObject({ reply: other.appointments.get('a1') })
  const timed = dayAfter(hours())
  expect(apply(timed, [], hold(1))).toMatchObject({ reply: timed.holds.get('h1') })
  expect(apply(timed, [], bookHeld(1, 1))).toMatchObject({ reply: timed.appointments.get('a1') })
  expect(apply(timed, [], wait(2))).toMatchObject({ reply: timed.waitlist.get('w2') })
  expect(apply(timed, [], accept(2, 2))).toMatchObject({ reply: timed.appointments.get('a2') })
  expect(apply(timed, [], book(3))).toMatchObject({ reply: timed.appointments.get('a3') })
  expect(apply(timed, [], hours({ to: '18:00' }))).toMatchObject({
    reply: { capacity: 4, hours: timed.hours },
  })
  const opened = { ...book(1), opening: { ...OPENING, hours: HOURS } } as Command
  const fresh = emptyDay()
  expect(apply(fresh, [], opened)).toMatchObject({ reply: fresh.appointments.get('a1') })
  expect(fresh.appointments.get('a1')).toMatchObject({
    startsAt: '2026-03-14T14:00:00+00:00',
    endsAt: '2026-03-14T15:00:00+00:00',
  })
})

test('a change of hours and number of slots keeps each taken slot on the day, event by event', () => {
  const hours = { from: '13:00', to: '15:00', minutesPerSlot: 30 }
  const breaks = [{ from: '13:30', to: '14:00' }]
  const outside = (day: Day) => [...day.slots.keys()].filter((slot) => !slotNumbers(day).includes(slot))
  for (const [before, after] of [
    [say(true, 4, { ...hours, breaks }), say(true, 6, hours)],
    [say(true, 6, hours), say(true, 5, { ...hours, breaks })],
  ] as const) {
    const day = dayAfter(before, { ...hold(1), choice: { slot: 5 } } as Command)
    const seen: number[][] = []
    expect(apply(day, [], after, NOON, (now) => seen.push(outside(now))).ok).toBe(true)
    expect([seen.length, seen.flat()]).toEqual([3, []])
  }
})
