import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { UNDO_MS } from '../src/doctor-day/rules/queue'
import type { Event, Recorded } from '../src/doctor-day/state/event'
import { emptyDay, fold } from '../src/doctor-day/state/fold'
import { shown, view } from '../src/doctor-day/state/views'
import * as desk from './day-commands'

const { arrive, book, cancel, next, NOON, step, undo, walkIn } = desk
const ARRIVED = [book(1), arrive(1)]
const SERVED = [...ARRIVED, next('r1'), step(1, 'serve')]

test('an undone check-in leaves the appointment booked, in no queue, and free to be cancelled or moved', () => {
  const day = desk.dayAfter(...ARRIVED, undo(1, 'uncheck_in'))
  expect(view(day, { view: 'arrivals' })).toEqual([])
  expect(view(day, { view: 'appointment', id: 'a1' })).toMatchObject({ id: 'a1', status: 'booked', slot: 1 })
  expect(desk.refusedBy(day, step(1, 'serve'))).toBe('illegal_step')
  expect(desk.apply(structuredClone(day), [], next())).toMatchObject({ ok: true, reply: null })
  for (const command of [cancel(1), desk.leave(1), arrive(1), step(1, 'no_show')])
    expect([command.type, desk.refusedBy(day, command)]).toEqual([command.type, 'accepted'])
})

test('a position is never given again: the same patient, and the next one, get later ones', () => {
  const day = desk.dayAfter(...ARRIVED, book(2), undo(1, 'uncheck_in'))
  expect(desk.apply(day, [], arrive(2))).toMatchObject({ reply: { position: 2 } })
  expect(desk.apply(day, [], arrive(1))).toMatchObject({ reply: { position: 3 } })
  expect(desk.apply(day, [], undo(1, 'uncheck_in'))).toMatchObject({ ok: true })
  expect(desk.apply(day, [], walkIn(3))).toMatchObject({ reply: { position: 4 } })
})

test('an unserved visit is called again in its room, and its time is no time of a visit', () => {
  const day = desk.dayAfter(...SERVED)
  const before = day.checkIns.get('a1')
  const decision = desk.apply(day, [], undo(1, 'unserve'), NOON + 1_000)
  expect(decision).toMatchObject({ events: [{ type: 'unserved' }], reply: day.checkIns.get('a1') })
  expect(day.checkIns.get('a1')).toEqual({ ...before, status: 'called', servedAt: null })
  expect(desk.refusedBy(day, step(1, 'serve'))).toBe('accepted')
})

test('the reply to an undone check-in is what its event makes of the appointment', () => {
  const day = desk.dayAfter(...ARRIVED)
  const decision = desk.apply(day, [], undo(1, 'uncheck_in'), NOON + 1_000)
  expect(decision).toMatchObject({ reply: day.appointments.get('a1') })
  expect(day.appointments.get('a1')?.updatedAt).toBe(NOON + 1_000)
})

test.each<[string, Command[], Command]>([
  ['a check-in', ARRIVED, undo(1, 'uncheck_in')],
  ['a walk-in', [walkIn(1)], undo(1, 'uncheck_in')],
  ['a completed visit', SERVED, undo(1, 'unserve')],
])('%s is undone by any desk for a minute, and later only by a key that may amend', (_, before, command) => {
  const day = desk.dayAfter(...before)
  const mayAmend = { ...command, mayAmend: true } as Command
  expect(desk.refusedBy(day, command, NOON + UNDO_MS)).toBe('accepted')
  expect(desk.refusedBy(day, command, NOON + UNDO_MS + 1)).toBe('too_late_to_undo')
  expect(desk.refusedBy(day, mayAmend, NOON + 40 * 24 * 60 * desk.MINUTE)).toBe('accepted')
})

test('the minute counts from the last serving, and of a check-in from the arrival, not from a requeue', () => {
  const late = NOON + 10 * desk.MINUTE
  const day = desk.dayAfter(...SERVED)
  for (const command of [undo(1, 'unserve', true), step(1, 'serve')]) desk.apply(day, [], command, late)
  expect(desk.refusedBy(day, undo(1, 'unserve'), late + UNDO_MS)).toBe('accepted')
  const requeued = desk.dayAfter(...ARRIVED, next())
  desk.apply(requeued, [], step(1, 'requeue'), late)
  expect(desk.refusedBy(requeued, undo(1, 'uncheck_in'), late)).toBe('too_late_to_undo')
})

const LEFT = [...ARRIVED, next(), step(1, 'skip')]
test.each<[string, Command[], Command, string]>([
  ['a check-in of a called patient', [...ARRIVED, next()], undo(1, 'uncheck_in'), 'illegal_step'],
  ['a check-in of a skipped patient', LEFT, undo(1, 'uncheck_in'), 'illegal_step'],
  ['a check-in of a served patient', SERVED, undo(1, 'uncheck_in', true), 'illegal_step'],
  ['a check-in of a no-show', [...LEFT, step(1, 'no_show')], undo(1, 'uncheck_in', true), 'illegal_step'],
  ['a check-in twice', [...ARRIVED, undo(1, 'uncheck_in')], undo(1, 'uncheck_in'), 'illegal_step'],
  ['a check-in that was not', [book(1)], undo(1, 'uncheck_in', true), 'illegal_step'],
  ['serving twice', [...SERVED, undo(1, 'unserve')], undo(1, 'unserve'), 'illegal_step'],
  ['serving of a waiting patient', ARRIVED, undo(1, 'unserve', true), 'illegal_step'],
  ['what is moving', [book(1), desk.leave(1)], undo(1, 'uncheck_in'), 'moving'],
  ['what nobody knows', [book(1)], undo(2, 'uncheck_in'), 'not_found'],
])('undoing %s is refused', (_, before, command, refused) => {
  expect(desk.refusedBy(desk.dayAfter(...before), command)).toBe(refused)
})

test('a called patient goes back to the queue in one step, before all who came later', () => {
  const day = desk.dayAfter(book(1), book(2), book(3), arrive(1), arrive(2), arrive(3, 3, 'urgent'))
  for (const id of ['a3', 'a1'])
    expect(desk.apply(day, [], next())).toMatchObject({ reply: { appointmentId: id } })
  for (const n of [1, 3])
    expect(desk.apply(day, [], step(n, 'requeue'))).toMatchObject({
      reply: { status: 'waiting', room: null, position: n, priority: n === 3 ? 'urgent' : 'normal' },
    })
  const order = [next(), next(), next()].map((command) => desk.apply(day, [], command))
  expect(order).toMatchObject(['a3', 'a1', 'a2'].map((appointmentId) => ({ reply: { appointmentId } })))
})

test('the status of an appointment never gets an older time by an undoing', () => {
  const [day, log]: [ReturnType<typeof emptyDay>, Recorded[]] = [emptyDay(), []]
  let [last, now] = [0, NOON]
  const steps = [next(), step(1, 'serve'), undo(1, 'unserve'), step(1, 'requeue'), undo(1, 'uncheck_in')]
  for (const command of [...ARRIVED, ...steps, arrive(1), next(), step(1, 'serve')]) {
    now += 1_000
    expect(desk.apply(day, log, command, now)).toMatchObject({ ok: true })
    const [appointment] = day.appointments.values()
    const { updatedAt } = appointment ? shown(day, appointment) : { updatedAt: 0 }
    expect(updatedAt).toBeGreaterThanOrEqual(last)
    last = updatedAt
  }
  expect(last).toBe(now)
  expect(fold(log)).toEqual(day)
})

test('a day that was rebuilt gives no position of an undone check-in again', () => {
  const events: Event[] = [
    { type: 'opened', ...desk.OPENING },
    { type: 'rebuilt', appointments: [], checkIns: [], lastPosition: 7, movedAway: [] },
  ]
  const day = fold(events.map((event, n) => ({ ...event, seq: n + 1, at: NOON, actor: 'key' })))
  expect(desk.apply(day, [], walkIn(1))).toMatchObject({ reply: { position: 8 } })
})
