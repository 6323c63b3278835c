import { expect, test, vi } from 'vitest'
import { answerLive } from '../src/http/event-stream'
import { times } from './clinic'
import { soon } from './soon'

const MESSAGES = 400
const LONG = 'x'.repeat(10_000)

/** Both ends of a stream: the socket that feeds it, and what is asked for with these headers. */
function openStream(headers: Record<string, string> = {}) {
  const { 0: ours, 1: theirs } = new WebSocketPair()
  theirs.accept()
  return { response: answerLive(new Request('https://clinic.test/', { headers }), ours), source: theirs }
}

test('each message is an event with its number and name', async () => {
  const { response, source } = openStream()
  expect(Object.fromEntries(response.headers)).toEqual({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  })
  source.send('{"type":"snapshot","seq":7,"entries":["two\\nlines"]}')
  source.close()
  expect(await response.text()).toBe(
    ': here\n\nid: 7\nevent: snapshot\ndata: {"type":"snapshot","seq":7,"entries":["two\\nlines"]}\n\n',
  )
})

test('who asks for a WebSocket gets the socket', () => {
  const { response } = openStream({ Upgrade: 'WebSocket' })
  expect([response.status, response.webSocket !== null]).toEqual([101, true])
})

test('who leaves too much unread is let go, with all until then in order', async () => {
  const { response, source } = openStream()
  const closed = vi.fn()
  source.addEventListener('close', closed)
  for (const seq of times(MESSAGES, (n) => n + 1)) source.send(JSON.stringify({ type: 'event', seq, LONG }))
  await soon(() => expect(closed).toHaveBeenCalled())
  const heard = [...(await response.text()).matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq))
  expect(heard).toEqual(times(heard.length, (n) => n + 1))
  expect(heard.length).toBeGreaterThan(100)
  expect(heard.length).toBeLessThan(MESSAGES)
})
