// What a proxy tells of a request counts only where the operator says so.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { onSocket } from './followers.mjs'
import { eventually, startService } from './service.mjs'

const BY_HTTPS = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '198.51.100.7' }

test('without a setting no forwarded header counts; from a trusted proxy X-Forwarded-Proto does', async (t) => {
  const isSecure = async (service) => {
    const reply = await fetch(`${service.url()}/health`, { headers: BY_HTTPS })
    return reply.headers.has('Strict-Transport-Security')
  }
  assert.equal(await isSecure(await startService(t)), false)
  assert.equal(await isSecure(await startService(t, { TRUSTED_PROXIES: '10.0.0.0/8' })), false)
  assert.equal(await isSecure(await startService(t, { TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.1' })), true)
})

test('a screen follows a queue through a trusted proxy', async (t) => {
  const service = await startService(t, { TRUSTED_PROXIES: '127.0.0.1' })
  const doctor = await service.post('/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1', capacity: 9 })
  const queue = `/api/v1/checkins/doctors/${doctor.body.id}/queue`
  const ticket = await service.post(`${queue}/tickets`, { date: today(), view: 'board' })
  const proxy = await startProxy(t, service.url())
  const heard = []
  const screen = await onSocket(proxy, ticket.body.url, null, (message) => heard.push(message))
  await eventually(
    () => heard.length,
    (count) => count === 1,
    10_000,
    'the snapshot',
  )
  assert.equal(heard[0].type, 'snapshot')
  screen.cut()
})

/** Adds to the head of each connection's first request what a proxy tells, and passes on the rest. */
async function startProxy(t, url) {
  const told = Object.entries(BY_HTTPS).map(([name, value]) => `${name}: ${value}\r\n`)
  const proxy = createServer((client) => {
    const service = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
    client.once('data', (head) => {
      service.write(head.toString('latin1').replace('\r\n', `\r\n${told.join('')}`), 'latin1')
      client.pipe(service)
    })
    service.pipe(client)
    for (const socket of [client, service]) socket.on('error', () => {})
  })
  t.after(() => proxy.close())
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return `http://127.0.0.1:${proxy.address().port}`
}

test('a setting that is no list of addresses stops the start, with a sentence that says what it must be', async (t) => {
  const start = startService(t, { TRUSTED_PROXIES: 'my-proxy' })
  await assert.rejects(start, /TRUSTED_PROXIES must be addresses and ranges, like 127\.0\.0\.1/)
})
