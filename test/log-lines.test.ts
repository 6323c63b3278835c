import { expect, test } from 'vitest'
import { gatherLogLines } from '../src/server/log-lines'

const line = (n: number) => `{"time":"2026-11-28T00:00:00.000Z","level":"info","event":"request","n":${n}}`

function gathered() {
  const written: string[] = []
  const console = {
    log: (text: string) => void written.push(text),
    error: (text: string) => void written.push(text),
  }
  return { written, console, lines: gatherLogLines(console) }
}

const promises = () => {
  const all: Promise<unknown>[] = []
  return { ctx: { waitUntil: (promise: Promise<unknown>) => void all.push(promise) }, all }
}

test('lines of requests that end together are written together, in their order', async () => {
  const { written, console, lines } = gathered()
  const { ctx, all } = promises()
  for (const n of [1, 2, 3]) {
    console.log(line(n))
    lines.writeSoon(ctx)
  }
  expect(written).toEqual([])
  await Promise.all(all)
  expect(written).toEqual([[1, 2, 3].map(line).join('\n')])
})

test('every other line is written at once, after those that wait', () => {
  const { written, console } = gathered()
  console.log(line(1))
  console.error('a failure')
  console.log(line(2))
  console.log('{"event":"import.done"}')
  expect(written).toEqual([line(1), 'a failure', line(2), '{"event":"import.done"}'])
})

test('a request that was cut off with the timer holds no line back for long', async () => {
  const { written, console, lines } = gathered()
  console.log(line(1))
  // The runtime cancels what a request still waits for when its caller goes.
  const { wait } = scheduler
  scheduler.wait = () => new Promise(() => {})
  lines.writeSoon({ waitUntil: () => undefined })
  scheduler.wait = wait
  await scheduler.wait(250)
  const { ctx, all } = promises()
  console.log(line(2))
  lines.writeSoon(ctx)
  await Promise.all(all)
  expect(written).toEqual([`${line(1)}\n${line(2)}`])
})

test('a thousand lines do not wait for a timer', () => {
  const { written, console } = gathered()
  for (let n = 0; n < 1_000; n += 1) console.log(line(n))
  expect(written.join('\n').split('\n')).toHaveLength(1_000)
})
