import { expect, test } from 'vitest'
import { type WaitingLimits, waiting } from '../src/recorder/waiting'

const LIMITS: WaitingLimits = {
  lotEntriesMax: 4,
  lotBytesMax: 100,
  clinicEntriesMax: 10,
  clinicBytesMax: 500,
  bytesMax: 1_000,
}

interface Item {
  clinicId: string
  bytes: number
  name: string
}

const item = (clinicId: string, name: string, bytes = 1): Item => ({ clinicId, bytes, name })
const namesOf = (lot: Item[]) => lot.map(({ name }) => name)

test('a clinic that sends one thing is in the next lot, however many another clinic has sent before', () => {
  const line = waiting<Item>(LIMITS)
  for (let count = 1; count <= 9; count += 1) line.add(item('busy', `b${count}`))
  line.add(item('calm', 'c1'))
  expect(namesOf(line.take())).toEqual(['b1', 'c1', 'b2', 'b3'])
})

test('clinics take turns, and the things of each keep their order over lots', () => {
  const line = waiting<Item>(LIMITS)
  for (const clinic of ['a', 'b', 'c'])
    for (const count of [1, 2, 3]) line.add(item(clinic, `${clinic}${count}`))
  const lots = [line.take(), line.take(), line.take(), line.take()].map(namesOf)
  expect(lots).toEqual([['a1', 'b1', 'c1', 'a2'], ['b2', 'c2', 'a3', 'b3'], ['c3'], []])
})

test('a lot that would be too long ends before the thing that does not fit; a single one always fits', () => {
  const line = waiting<Item>(LIMITS)
  line.add(item('a', 'long', 90))
  line.add(item('a', 'also long', 90))
  line.add(item('b', 'huge', 500))
  expect([line.take(), line.take(), line.take()].map(namesOf)).toEqual([['long'], ['huge'], ['also long']])
})

test('a clinic whose line is full is refused, and others are not; taken things make room', () => {
  const line = waiting<Item>(LIMITS)
  for (let count = 0; count < 10; count += 1) expect(line.add(item('busy', 'b'))).toBe(true)
  expect([line.add(item('busy', 'b')), line.add(item('calm', 'c'))]).toEqual([false, true])
  line.take()
  expect(line.add(item('busy', 'b'))).toBe(true)
})

test('a clinic that sends long things is refused before it takes the room of the others', () => {
  const line = waiting<Item>(LIMITS)
  expect([300, 200, 1].map((bytes) => line.add(item('busy', 'b', bytes)))).toEqual([true, true, false])
  expect([400, 100].map((bytes) => line.add(item('calm', 'c', bytes)))).toEqual([true, true])
  line.take()
  expect([line.add(item('busy', 'b', 300)), line.add(item('busy', 'b', 1))]).toEqual([true, false])
})

test('together the things that wait have a limit of bytes; taken things make room', () => {
  const line = waiting<Item>(LIMITS)
  for (const clinic of ['a', 'b', 'c']) expect(line.add(item(clinic, clinic, 300))).toBe(true)
  expect(line.add(item('d', 'd', 101))).toBe(false)
  expect(line.add(item('d', 'd', 100))).toBe(true)
  line.take()
  expect(line.add(item('e', 'e', 300))).toBe(true)
})

test('of nothing there is no lot', () => {
  expect(waiting<Item>(LIMITS).take()).toEqual([])
})
