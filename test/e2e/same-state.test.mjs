// `npm start` and versions before this server keep a state with Cloudflare's simulators. `npm run serve` opens it as
// it is, and they open its.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { freePort } from '../../scripts/port.mjs'
import { serveWorker, startWorker } from '../../scripts/worker.mjs'
import { prepared } from './prepared.mjs'
import { eventually, startService } from './service.mjs'

const COPIED_WITHIN_MS = 20_000

test('a state of the simulators opens in the server as it is, verifies and goes on; and the other way round', async (t) => {
  const service = await startService(t, {}, { isDev: true })
  const { stateDir, key } = service
  const doctor = (await service.post('/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1' })).body.id
  const patients = []
  for (let n = 0; n < 4; n += 1)
    patients.push(
      (await service.post('/api/v1/patients', { name: `Patient ${n}`, phone: `+1 202 555 019${n}` })).body.id,
    )
  const wanted = (n) => ({ patient_id: patients[n], doctor_id: doctor, date: today() })
  const keyOf = (n) => ({ 'Idempotency-Key': `same-${n}` })
  const first = await service.post('/api/v1/appointments', wanted(0), keyOf(0))
  await service.upload('/api/v1/hospitals/bulk', 'name,address\nGeneral,1 Main Street\n', keyOf('import'))
  const hospitals = () => service.select('SELECT count(*) AS count FROM hospitals')
  await eventually(hospitals, ([{ count }]) => count === 1, COPIED_WITHIN_MS, 'the import')
  const test = { test_id: 't1', patient_id: 'p1', clinic_id: 'demo', test_type: 'blood', result: 'normal' }
  await service.post('/tests', test, keyOf('test'))
  await service.stop()
  assert.ok(existsSync(join(stateDir, 'v3', 'kv', 'miniflare-KVNamespaceObject')))

  let server = serveWorker({ port: await freePort(), stateDir, build: prepared().build })
  t.after(() => server.stop())
  await server.answers()
  const ask = async (method, path, body, headers = {}) => {
    const options = { method, headers: { Authorization: `Bearer ${key}`, ...headers } }
    const reply = await fetch(`${server.url}${path}`, { ...options, body: body && JSON.stringify(body) })
    return { status: reply.status, text: await reply.text() }
  }
  const verified = async (count) => {
    const { text } = await ask('GET', `/api/v1/doctors/${doctor}/days/${today()}/verify`)
    const { ok, count: found } = JSON.parse(text)
    assert.deepEqual([ok, found], [true, count])
  }
  const same = async () => {
    const again = await ask('POST', '/api/v1/appointments', wanted(0), keyOf(0))
    assert.deepEqual([again.status, again.text], [201, first.text])
    assert.match((await ask('GET', '/tests?clinic_id=demo')).text, /"test_id":"t1"/)
  }
  await verified(2)
  await same()
  const second = await ask('POST', '/api/v1/appointments', wanted(1), keyOf(1))
  assert.deepEqual([second.status, JSON.parse(second.text).slot], [201, 2])
  assert.ok(!existsSync(join(stateDir, 'v3', 'kv', 'miniflare-KVNamespaceObject')))
  await server.stop()

  server = startWorker({ port: await freePort(), stateDir })
  await server.answers()
  await verified(3)
  await same()
  const third = await ask('POST', '/api/v1/appointments', wanted(2), keyOf(2))
  assert.deepEqual([third.status, JSON.parse(third.text).slot], [201, 3])
})
