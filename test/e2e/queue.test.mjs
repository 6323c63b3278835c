// The queue of `npm run serve` is ours: what it promises.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitUntil } from '../../scripts/worker.mjs'
import { served } from './own.mjs'

const WITHIN_MS = 20_000

test('each message is delivered, in batches of the size that the consumer has set', async (t) => {
  const queue = await startQueue(t)
  await queue.sendBatch(Array.from({ length: 10 }, (_, n) => ({ name: `m${n}` })))
  const delivered = await queue.delivered(10)
  assert.deepEqual(
    delivered.map(({ name, attempts }) => [name, attempts]),
    Array.from({ length: 10 }, (_, n) => [`m${n}`, 1]),
  )
  assert.ok(delivered.every(({ size }) => size <= 4))
  assert.deepEqual(await queue.backlog(), { backlogCount: 0, backlogBytes: 0 })
})

test('a message that the consumer asks for again comes again, after the delay that the consumer chose', async (t) => {
  const queue = await startQueue(t)
  await queue.send({ name: 'twice', fails: 1, delaySeconds: 1 })
  const [first, second] = await queue.delivered(2)
  assert.deepEqual([first.attempts, second.attempts, second.id], [1, 2, first.id])
  assert.ok(second.at - first.at >= 1_000)
  await queue.send({ name: 'late' }, { delaySeconds: 1 })
  assert.equal((await queue.backlog()).backlogCount, 1)
  const sentAt = Date.now()
  const third = (await queue.delivered(3)).at(-1)
  assert.ok(third.at - sentAt > 700)
})

test('after its last attempt a message is dead: logged by its id, kept, and never delivered again', async (t) => {
  const queue = await startQueue(t)
  await queue.send({ name: 'bad', fails: 99 })
  const tries = await queue.delivered(3)
  await waitUntil(() => queue.printed().includes('queue.dead_letter'), WITHIN_MS, 'the log line')
  const [line] = queue.printed().match(/.*queue\.dead_letter.*/)
  const { queue: name, message, attempts } = JSON.parse(line)
  assert.deepEqual([name, message, attempts], ['messages', tries[0].id, 3])
  await queue.send({ name: 'good' })
  assert.equal((await queue.delivered(4)).at(-1).name, 'good')
})

test('a consumer that throws gets the whole batch again; other messages go on', async (t) => {
  const queue = await startQueue(t)
  await queue.sendBatch([{ name: 'throws', throws: true }])
  assert.equal((await queue.delivered(3)).length, 3)
  await queue.send({ name: 'after' })
  assert.equal((await queue.delivered(4)).at(-1).name, 'after')
})

test('a message that was acknowledged to its sender outlives kill -9, also in the middle of its delivery', async (t) => {
  const queue = await startQueue(t)
  await queue.send({ name: 'slow', takesMs: 60_000 })
  await queue.send({ name: 'waiting' })
  await queue.delivered(1)
  await queue.kill9()
  await queue.start()
  const names = (await queue.delivered(2)).map(({ name }) => name)
  assert.equal(names[0], 'slow')
  assert.ok(['slow', 'waiting'].includes(names[1]))
})

test('what a queue does not take is refused in words, and nothing of it is delivered', async (t) => {
  const queue = await startQueue(t)
  const long = 'x'.repeat(130_000)
  assert.match(
    await queue.refused('send', { body: long, options: { contentType: 'text' } }),
    /exceeds limit of 128000/,
  )
  const many = Array.from({ length: 101 }, () => ({ body: { name: 'many' } }))
  assert.match(await queue.refused('sendBatch', { messages: many }), /100/)
  const v8 = { body: { name: 'v8' }, options: { contentType: 'v8' } }
  assert.match(await queue.refused('send', v8), /content type v8 is invalid/)
  await queue.send({ name: 'fine' })
  assert.deepEqual(
    (await queue.delivered(1)).map(({ name }) => name),
    ['fine'],
  )
})

async function startQueue(t) {
  const server = await served(t, 'messages')
  const ask = async (asked) => JSON.parse(await server.ask(asked))
  const sent = async (asked) => assert.deepEqual(await ask(asked), { answer: 'sent' })
  return {
    ...server,
    send: (body, options) => sent({ way: 'send', body, options }),
    sendBatch: (bodies) => sent({ way: 'sendBatch', messages: bodies.map((body) => ({ body })) }),
    refused: async (way, asked) => (await ask({ way, ...asked })).error,
    backlog: () => server.get(),
    /** All that was delivered, as soon as it is `count`. */
    async delivered(count) {
      let found = []
      const isThere = async () => {
        found = await ask({ way: 'delivered' })
        return found.length >= count
      }
      await waitUntil(isThere, WITHIN_MS, `${count} deliveries`)
      return found
    },
  }
}
