// What a proxy tells of a request counts only where the operator says so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startService } from './service.mjs'

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

test('a setting that is no list of addresses stops the start, with a sentence that says what it must be', async (t) => {
  const start = startService(t, { TRUSTED_PROXIES: 'my-proxy' })
  await assert.rejects(start, /TRUSTED_PROXIES must be addresses and ranges, like 127\.0\.0\.1/)
})
