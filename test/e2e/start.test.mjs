import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startService } from './service.mjs'

test('it answers, serves its own documentation, and keeps its data over a restart', async (t) => {
  const service = await startService(t, {}, { isDev: true })
  assert.equal((await service.get('/health')).body.status, 'healthy')
  const ada = { name: 'Ada Lovelace', phone: '+1 202 555 0199' }
  const registered = await service.post('/api/v1/patients', ada)
  assert.equal(registered.status, 201)

  for (const page of ['/docs', '/redoc']) await assertServedFromHere(service, page)

  await service.restart()
  const kept = await service.get(`/api/v1/patients/${registered.body.id}`)
  assert.deepEqual([kept.status, kept.text], [200, registered.text])
})

async function assertServedFromHere(service, path) {
  const page = await service.get(path)
  assert.match(page.headers.get('Content-Type'), /^text\/html/)
  assertStrict(page)
  const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file)
  assert.doesNotMatch(page.text, /<script[^>]*>[^<]/, 'no script stands in the page')
  const loaded = files.filter((file) => !file.startsWith('data:'))
  assert.ok(loaded.length >= 3)
  for (const file of loaded) {
    assert.match(file, new RegExp(`^${path}/`))
    const served = await service.get(file)
    assert.equal(served.status, 200, file)
    assert.match(served.headers.get('Content-Type'), file.endsWith('.css') ? /^text\/css/ : /javascript/)
    assertStrict(served)
  }
  assert.equal((await service.get(`${path}/nothing.js`)).status, 404)
}

function assertStrict({ headers }) {
  const policy = headers.get('Content-Security-Policy')
  for (const rule of [
    "default-src 'none'",
    "script-src 'self';",
    "connect-src 'self';",
    "frame-ancestors 'none'",
  ])
    assert.ok(policy.includes(rule), rule)
  assert.equal(headers.get('X-Content-Type-Options'), 'nosniff')
  assert.equal(headers.get('Referrer-Policy'), 'no-referrer')
}
