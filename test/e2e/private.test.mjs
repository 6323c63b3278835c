import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { startService } from './service.mjs'

const OTHERS = 0o077

for (const isDev of [false, true])
  test(`only its user can read the state of ${isDev ? 'npm start' : 'npm run serve'}`, async (t) => {
    const service = await startService(t, {}, { isDev })
    const doctor = await service.post('/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1' })
    const patient = await service.post('/api/v1/patients', { name: 'Ada Lovelace', phone: '+1 202 555 0199' })
    const wanted = { patient_id: patient.body.id, doctor_id: doctor.body.id, date: today() }
    assert.equal((await service.post('/api/v1/appointments', wanted, { 'Idempotency-Key': 'k' })).status, 201)
    await service.upload('/api/v1/hospitals/bulk', 'name,address\nNorth,1 Main St\n', {
      'Idempotency-Key': 'i',
    })
    // The test has copied the folders, but the service has opened or made each file.
    const files = readdirSync(service.stateDir, { recursive: true }).filter((name) =>
      statSync(join(service.stateDir, name)).isFile(),
    )
    assert.ok(files.filter((name) => name.endsWith('.sqlite')).length >= 3)
    const open = files.filter((name) => (statSync(join(service.stateDir, name)).mode & OTHERS) !== 0)
    assert.deepEqual(open, [])
  })
