// A disk on which nothing can be written: a limit of the kernel on the size of files stands for it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { eventually, startService } from './service.mjs'

const HEALED_WITHIN_MS = 20_000

test('where nothing can be written, requests are 503 with Retry-After; with space it heals, and nothing is lost or doubled', async (t) => {
  const service = await startService(t)
  const doctor = await service.post('/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1' })
  const register = (n) =>
    service.post('/api/v1/patients', {
      name: `Patient ${n}`,
      phone: `+1 202 555 01${String(n).padStart(2, '0')}`,
    })
  const patients = []
  for (let n = 0; n < 8; n += 1) patients.push((await register(n)).body.id)
  const book = (n) => {
    const wanted = { patient_id: patients[n], doctor_id: doctor.body.id, date: today() }
    return service.post('/api/v1/appointments', wanted, { 'Idempotency-Key': `full-${n}` })
  }
  const first = await book(0)
  assert.equal(first.status, 201)

  limitFiles(service.pid(), '1')
  for (const refused of [await book(1), await book(2), await register(9)]) {
    assert.equal(refused.status, 503, refused.text)
    assert.match(refused.headers.get('Retry-After'), /^\d+$/)
  }
  // A database whose write has failed is opened anew, for which it needs to write.
  const read = await service.get(`/api/v1/appointments/${first.body.id}`)
  assert.ok([200, 503].includes(read.status), read.text)
  assert.equal((await service.get('/health')).status, 200)

  limitFiles(service.pid(), 'unlimited')
  const booked = await eventually(
    () => book(1),
    ({ status }) => status === 201,
    HEALED_WITHIN_MS,
    'a booking',
  )
  const rest = [booked, await book(2), await book(3)]
  assert.deepEqual(
    rest.map(({ status, body }) => [status, body.slot]),
    [2, 3, 4].map((slot) => [201, slot]),
  )
  const verified = await service.get(`/api/v1/doctors/${doctor.body.id}/days/${today()}/verify`)
  assert.deepEqual([verified.body.ok, verified.body.count], [true, 5])
})

const limitFiles = (pid, bytes) =>
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
