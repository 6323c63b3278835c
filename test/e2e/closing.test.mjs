// A client that closes its socket is answered at once. Without an answer its close event comes when its own patience
// ends: 30 seconds later in some libraries.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startService } from './service.mjs'

const ANSWERED_WITHIN_MS = 2_000

/** Each with the code that the client is told: of a close without a code, the one of a normal end. */
const CLOSES = [
  [[1000, 'Done'], 1000],
  [[4321], 4321],
  [[], 1000],
]

test('a socket that its client closes is answered at once, of each kind', async (t) => {
  const service = await startService(t)
  const doctor = await service.post(
    '/api/v1/doctors',
    { name: 'Dr Ines Okafor', code: 'D-1' },
    { 'Content-Type': 'application/json' },
  )
  const paths = [
    '/api/v1/ws/queue',
    '/api/v1/days/live',
    `/api/v1/checkins/doctors/${doctor.body.id}/queue/live`,
  ]
  for (const path of paths)
    for (const [asked, told] of CLOSES) {
      const socket = await openSocket(service, path)
      const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
      socket.close(...asked)
      const end = await Promise.race([closed, sleep(ANSWERED_WITHIN_MS)])
      assert.deepEqual([path, end?.code, end?.wasClean], [path, told, true])
    }
})

/** Open, and heard from: the dashboard's answers a ping, the others begin with a snapshot. */
function openSocket(service, path) {
  const url = `${service.url().replace('http', 'ws')}${path}`
  const socket = new WebSocket(url, { headers: { Authorization: `Bearer ${service.key}` } })
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => path.includes('/ws/') && socket.send('{"action":"ping"}'))
    socket.addEventListener('message', () => resolve(socket))
    socket.addEventListener('error', () => reject(new Error('The WebSocket was refused')))
  })
}
