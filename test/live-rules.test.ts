import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Command, StepName, UndoName } from '../src/doctor-day/commands'
import {
  appendEvents,
  emptyStreamLog,
  initialsOf,
  type LiveMessage,
  lensOf,
  messagesAfter,
  type StreamLog,
} from '../src/doctor-day/readers/live'
import type { CheckIn } from '../src/doctor-day/state/day'
import type { Recorded } from '../src/doctor-day/state/event'
import { emptyDay, fold } from '../src/doctor-day/state/fold'
import { view } from '../src/doctor-day/state/views'
import { apply, arrive, book, hold, next, OPENING, say, step, undo, walkIn } from './day-commands'
import { folded } from './followers'

const DESK = lensOf('desk', OPENING, false)
const BOARD = lensOf('board', OPENING, false)
const LETTERED = lensOf('board', OPENING, true)
const LENSES = [DESK, BOARD, LETTERED]
const NAMES = new Map(Array.from({ length: 7 }, (_, n) => [`p${n}`, `Name ${n}`]))

const STEPS: StepName[] = ['serve', 'skip', 'requeue', 'no_show', 'recall']
const UNDO: UndoName[] = ['uncheck_in', 'unserve']
const small = fc.nat(8)
const command: fc.Arbitrary<Command> = fc.oneof(
  small.map((n) => book(n, true)),
  small.map((n) => arrive(n)),
  small.map((n) => walkIn(100 + n)),
  small.map((n) => hold(n)),
  fc.constant(next()),
  fc.tuple(small, fc.constantFrom(...STEPS)).map(([n, name]) => step(n, name)),
  fc.tuple(small, fc.constantFrom(...STEPS)).map(([n, name]) => step(100 + n, name)),
  fc.tuple(small, fc.constantFrom(...UNDO)).map(([n, name]) => undo(n, name)),
  fc.tuple(small, fc.constantFrom(...UNDO)).map(([n, name]) => undo(100 + n, name)),
)

function logOf(commands: Command[]): Recorded[] {
  const [day, log]: [ReturnType<typeof emptyDay>, Recorded[]] = [emptyDay(), []]
  for (const each of [say(true, 30), ...commands]) apply(day, log, each)
  return log
}

function streamLogOf(log: Recorded[]): StreamLog {
  const streamLog = emptyStreamLog()
  appendEvents(streamLog, log)
  return streamLog
}

const shown = (log: Recorded[], lens: (typeof LENSES)[number]) =>
  view(fold(log), { view: 'arrivals' }).map((checkIn: CheckIn) =>
    lens.entryOf(checkIn, lens.needsNames ? (NAMES.get(checkIn.patientId) ?? '') : ''),
  )

test('wherever the stream is cut: a snapshot and the events behind it fold to the queue, at every number', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), fc.nat(), (commands, cut) => {
      const log = logOf(commands)
      const seq = cut % (log.length + 1)
      for (const lens of LENSES) {
        const before = messagesAfter(streamLogOf(log.slice(0, seq)), null, lens, NAMES).messages
        const behind = messagesAfter(streamLogOf(log), seq, lens, NAMES).messages
        expect(before.map(({ type, seq }) => [type, seq])).toEqual([['snapshot', seq]])
        expect(behind.map((message) => message.seq)).toEqual(log.slice(seq).map((event) => event.seq))
        for (let told = 0; told <= behind.length; told += 1) {
          const heard: LiveMessage[] = [...before, ...behind.slice(0, told)]
          expect(folded(heard)).toEqual(shown(log.slice(0, seq + told), lens))
        }
      }
    }),
  )
})

test('who waits for names hears the same as who does not, in the same order, whenever the names come', () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 40 }),
      fc.nat(),
      fc.shuffledSubarray([...NAMES]),
      (commands, cut, order) => {
        const streamLog = streamLogOf(logOf(commands))
        const since = cut % (streamLog.events.length + 1)
        const whole = messagesAfter(streamLog, since, DESK, NAMES)
        expect(whole.unnamed).toEqual([])
        const [known, heard]: [Map<string, string>, LiveMessage[]] = [new Map(), []]
        const hear = () => {
          const part = messagesAfter(streamLog, heard.at(-1)?.seq ?? since, DESK, known)
          heard.push(...part.messages)
          return part.unnamed
        }
        for (const [id, name] of order) {
          for (const missing of hear()) expect(known.has(missing)).toBe(false)
          known.set(id, name)
        }
        for (const id of hear()) known.set(id, NAMES.get(id) ?? '')
        hear()
        expect(heard).toEqual(whole.messages)
      },
    ),
  )
})

test('the board tells of nothing but the queue, and of nobody by name or id', () => {
  const log = logOf([book(1), hold(1), arrive(1), next('r1'), step(1, 'serve'), book(2), step(2, 'no_show')])
  const { messages } = messagesAfter(streamLogOf(log), 0, BOARD, NAMES)
  expect(messages.map((message) => message.type === 'event' && message.event)).toEqual([
    ...['other', 'other', 'other', 'other', 'other'],
    ...['checked_in', 'called', 'served', 'other', 'other'],
  ])
  expect(messages.filter((message) => 'at' in message)).toEqual([])
  expect(messages[6]).toEqual({
    type: 'event',
    seq: 7,
    event: 'called',
    entry: { position: 1, status: 'called', room: 'r1', initials: null },
  })
})

test('a check-in that was undone is told to both views once, by the position that is gone', () => {
  const log = logOf([book(1), arrive(1), walkIn(2), undo(1, 'uncheck_in')])
  for (const lens of [DESK, BOARD]) {
    const { messages } = messagesAfter(streamLogOf(log), 0, lens, NAMES)
    expect(messages.at(-1)).toMatchObject({ event: 'unchecked_in', entry: null, removed: 1 })
    expect(messages.filter((message) => 'removed' in message)).toHaveLength(1)
    expect(folded(messages).map(({ position }) => position)).toEqual([2])
    expect(messagesAfter(streamLogOf(log), log.length, lens, NAMES).messages).toEqual([])
  }
})

test('a number that the day has not come to gets the snapshot', () => {
  const streamLog = streamLogOf(logOf([walkIn(1)]))
  const last = streamLog.day.version
  expect(messagesAfter(streamLog, last, BOARD, NAMES).messages).toEqual([])
  expect(messagesAfter(streamLog, last + 1, BOARD, NAMES).messages).toMatchObject([
    { type: 'snapshot', seq: last },
  ])
  expect(messagesAfter(emptyStreamLog(), null, DESK, NAMES).messages).toEqual([
    { type: 'snapshot', seq: 0, entries: [] },
  ])
})

test.each([
  ['Ada Lovelace', 'AL'],
  ['  ada  king   lovelace ', 'AL'],
  ['Plato', 'P'],
  ['élodie d’Aubigné', 'ÉD'],
  ['𝒜da 李', '𝒜李'],
  ['', ''],
])('the initials of %j are %j', (name, initials) => {
  expect(initialsOf(name)).toBe(initials)
})
