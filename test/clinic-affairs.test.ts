import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, DAY, keyFor, openFrontDesk, statuses, times } from './clinic'
import { managed, withKey } from './people'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const pathOf = ({ clinicId }: Client) => `/api/v1/clinics/${clinicId}`
const etagOf = async (client: Client) => (await client.get(pathOf(client))).headers.get('ETag') ?? ''
const patch = async (client: Client, wanted: object, headers?: Record<string, string>) =>
  client.send('PATCH', pathOf(client), JSON.stringify(wanted), {
    'If-Match': await etagOf(client),
    ...headers,
  })
const MANAGED = { scopes: ['*', 'clinic:admin'] }

test('a manager reads and changes the own clinic; what is not named stays', async () => {
  const manager = await managed()
  const before = await manager.get(pathOf(manager))
  expect(before.body).toMatchObject({ id: manager.clinicId, settings: { allow_another: false } })
  const wanted = { name: 'North', country: 'FR', settings: { allow_another: true } }
  const changed = await patch(manager, wanted)
  expect(changed).toMatchObject({ status: 200, body: { ...before.body, ...wanted } })
  expect((await manager.get(pathOf(manager))).body).toEqual(changed.body)
  expect((await manager.get('/api/v1/clinics')).body).toEqual([changed.body])
  expect((await patch(manager, { settings: { allow_another: false } })).body).toMatchObject({
    name: 'North',
    settings: { allow_another: false },
  })
  const stale = { 'If-Match': before.headers.get('ETag') ?? '' }
  expect((await patch(manager, { name: 'South' }, stale)).status).toBe(412)
  const bare = await manager.send('PATCH', pathOf(manager), '{"name":"South"}')
  expect([bare.status, bare.body.type]).toEqual([428, '/problems/if_match_required'])
})

test('the country of the clinic is that of its phones from then on', async () => {
  const manager = await managed()
  const register = (phone: string) => manager.post('/api/v1/patients', { name: 'Ada', phone })
  expect((await register('01 42 68 53 00')).body.phone).toMatch(/^\+1/)
  expect((await patch(manager, { country: 'FR' })).status).toBe(200)
  expect((await register('01 42 68 53 00')).body.phone).toBe('+33142685300')
})

test.each([
  [{}, 'body'],
  [{ settings: {} }, 'body'],
  [{ name: '' }, 'name'],
  [{ time_zone: 'Mars/Olympus' }, 'time_zone'],
  [{ country: 'UK' }, 'country'],
  [{ id: 'x', name: 'N' }, 'id'],
  [{ name: 'N', settings: { retention_days: 9 } }, 'settings.retention_days'],
  [{ settings: { allow_another: 'yes' } }, 'settings.allow_another'],
])('a change of a clinic with %j is 400', async (wanted, field) => {
  const reply = await patch(await managed(), wanted)
  expect([reply.status, reply.body.errors[0].field]).toEqual([400, field])
})

test('of twenty changes of one state exactly one is made; a late retry undoes no newer one', async () => {
  const manager = await managed()
  const match = { 'If-Match': await etagOf(manager) }
  const replies = await Promise.all(times(20, (n) => patch(manager, { name: `N ${n}` }, match)))
  expect(statuses(replies)).toEqual({ 200: 1, 412: 19 })
  const key = { 'Idempotency-Key': 'k', 'If-Match': await etagOf(manager) }
  expect((await patch(manager, { name: 'First' }, key)).status).toBe(200)
  expect((await patch(manager, { name: 'Second' })).status).toBe(200)
  expect((await patch(manager, { name: 'First' }, key)).body.name).toBe('Second')
  const { body } = await manager.get('/api/v1/audit')
  const changes = body.filter(({ action }: { action: string }) => action === 'clinic.changed')
  expect(changes).toHaveLength(3)
})

test('the time zone changes while no day is in use from yesterday on, and counts at once', async () => {
  const desk = await openFrontDesk({ ...MANAGED, timeZone: 'UTC' })
  vi.useFakeTimers({ now: Date.parse(`${DAY}T23:30:00Z`), toFake: ['Date'] })
  expect((await desk.book({ date: DAY })).status).toBe(201)
  const used = () => env.DB.prepare('SELECT 1 FROM days WHERE clinic_id = ?').bind(desk.clinicId).first()
  await soon(async () => expect(await used()).not.toBeNull())
  const wanted = { time_zone: 'Pacific/Auckland' }
  for (const days of [0, 1]) {
    vi.setSystemTime(Date.parse(`${DAY}T23:30:00Z`) + days * 86_400_000)
    expect([days, await patch(desk, wanted)]).toMatchObject([
      days,
      { status: 409, body: { type: '/problems/days_ahead' } },
    ])
  }
  expect((await desk.get(pathOf(desk))).body.time_zone).toBe('UTC')
  expect((await patch(desk, { name: 'N', time_zone: 'UTC' })).status).toBe(200)
  vi.setSystemTime(Date.parse(`${DAY}T23:30:00Z`) + 2 * 86_400_000)
  expect((await patch(desk, wanted)).body).toMatchObject(wanted)
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/2040-04-01`)
  expect(body.time_zone).toBe('Pacific/Auckland')
  const before = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  expect(before.body.time_zone).toBe('UTC')
})

test('a day that is being opened while the zone changes keeps the zone of its first event', async () => {
  const desk = await openFrontDesk({ ...MANAGED, timeZone: 'UTC' })
  const [booked, changed] = await Promise.all([
    desk.book({ date: DAY }),
    patch(desk, { time_zone: 'Asia/Tokyo' }),
  ])
  expect([booked.status, [200, 409].includes(changed.status)]).toEqual([201, true])
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  const [opened] = (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/events`)).body
  expect(body.time_zone).toBe(opened.data.time_zone)
})

test('allow_another of the clinic counts where a request does not say it', async () => {
  const desk = await openFrontDesk({ ...MANAGED, capacity: 5 })
  await desk.book({ date: DAY })
  expect((await desk.book({ date: DAY })).status).toBe(409)
  expect((await patch(desk, { settings: { allow_another: true } })).status).toBe(200)
  expect((await desk.book({ date: DAY })).status).toBe(201)
  expect((await desk.book({ date: DAY, allow_another: false })).status).toBe(409)
  const place = { doctor_id: desk.doctorId, date: DAY, patient_id: desk.patientIds[0] }
  expect((await desk.post('/api/v1/appointments/waitlist', { ...place, allow_another: false })).status).toBe(
    409,
  )
  expect((await desk.post('/api/v1/appointments/waitlist', place)).status).toBe(201)
  const hold = { doctor_id: desk.doctorId, date: DAY, ttl_seconds: 60 }
  const { body } = await desk.post('/api/v1/appointments/holds', hold)
  const held = { hold_id: body.hold_id, patient_id: desk.patientIds[0] }
  expect((await desk.post('/api/v1/appointments', { ...held, allow_another: false })).status).toBe(409)
  expect((await desk.post('/api/v1/appointments', held)).status).toBe(201)
  const { body: later } = await desk.book({ date: '2040-03-15' })
  const move = (more: object) =>
    desk.post(`/api/v1/appointments/${later.id}/reschedule`, { date: DAY, ...more })
  expect((await move({ allow_another: false })).status).toBe(409)
  expect((await move({})).status).toBe(200)
  expect((await patch(desk, { settings: { allow_another: false } })).status).toBe(200)
  expect((await desk.book({ date: '2040-03-16' })).status).toBe(201)
  expect((await desk.book({ date: '2040-03-16' })).status).toBe(409)
})

test('a walk-in follows the clinic’s allow_another too', async () => {
  const desk = await openFrontDesk(MANAGED)
  vi.useFakeTimers({ now: Date.parse(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  await desk.book({ date: DAY })
  const walkIn = (more = {}) =>
    desk.post('/api/v1/checkins/walk-in', {
      doctor_id: desk.doctorId,
      patient_id: desk.patientIds[0],
      ...more,
    })
  expect((await walkIn()).status).toBe(409)
  await patch(desk, { settings: { allow_another: true } })
  expect((await walkIn({ allow_another: false })).status).toBe(409)
  expect((await walkIn()).status).toBe(201)
})

test('only an admin of all clinics reads and changes another clinic; the change is in that clinic’s audit', async () => {
  const clinic = await managed()
  const own = await managed()
  const other = await keyFor(own.clinicId, ['*', 'clinic:admin', 'clinics:*'])
  const admin = await keyFor(own.clinicId, ['*', 'admin'])
  const everywhere = await keyFor(own.clinicId, ['*', 'admin', 'clinics:*'])
  const match = { 'If-Match': await etagOf(clinic) }
  for (const key of [own, other, admin]) {
    const unknown = await key.get('/api/v1/clinics/nobody')
    const foreign = await key.get(pathOf(clinic))
    expect([foreign.status, foreign.body.detail]).toEqual([404, unknown.body.detail])
    expect((await key.send('PATCH', pathOf(clinic), '{"name":"Mine"}', match)).status).toBe(404)
  }
  expect((await (await keyFor(clinic.clinicId, ['*'])).get(pathOf(clinic))).status).toBe(403)
  expect((await everywhere.get('/api/v1/clinics/nobody')).status).toBe(404)
  expect((await everywhere.send('PATCH', pathOf(clinic), '{"name":"Ours"}', match)).status).toBe(200)
  const key = { clinic_id: clinic.clinicId, name: 'k', scopes: ['events:read'] }
  const { body: made } = await everywhere.post('/api/v1/keys', key)
  const expiry = JSON.stringify({ expires_at: '2999-01-01T00:00:00Z' })
  await everywhere.send('PATCH', `/api/v1/keys/${made.id}`, expiry)
  await everywhere.send('DELETE', `/api/v1/keys/${made.id}`)
  await everywhere.post(`${pathOf(clinic)}/resync`, {})
  const by = { key_id: everywhere.keyId, actor_clinic_id: own.clinicId, staff_id: null }
  expect((await clinic.get('/api/v1/audit')).body).toMatchObject([
    { action: 'clinic.resynced', ...by },
    { action: 'key.revoked', ...by },
    { action: 'key.changed', ...by },
    { action: 'key.created', subject: made.id, ...by },
    { action: 'clinic.changed', subject: clinic.clinicId, ...by },
  ])
  expect((await own.get('/api/v1/audit')).body).toEqual([])
  const there = `/api/v1/audit?clinic_id=${clinic.clinicId}`
  expect((await everywhere.get(there)).body).toHaveLength(5)
  for (const one of [own, other, admin]) expect((await one.get(there)).status).toBe(404)
})

test('a clinic that is opened has that in its own audit, and a test record in the one it is about', async () => {
  const admin = await managed(['*', 'admin', 'clinics:*'])
  const id = `new-${admin.clinicId}`
  await admin.post('/api/v1/clinics', { id, name: 'New', time_zone: 'UTC' })
  const there = await keyFor(id, ['*'])
  const record = { patient_id: 'p', test_type: 'b', result: 'r' }
  for (const clinic_id of [id, 'an outside lab', admin.clinicId])
    expect((await admin.post('/tests', { ...record, test_id: `t ${clinic_id}`, clinic_id })).status).toBe(201)
  expect((await there.get('/api/v1/audit')).body).toMatchObject([
    { action: 'medical_test.stored', subject: `t ${id}`, actor_clinic_id: admin.clinicId },
    { action: 'clinic.opened', subject: id, actor_clinic_id: admin.clinicId },
  ])
  expect((await admin.get('/api/v1/audit')).body).toMatchObject([
    { action: 'medical_test.stored', subject: `t ${admin.clinicId}` },
    { action: 'medical_test.stored', subject: 't an outside lab' },
  ])
})

test('a manager makes a key of the own clinic without naming the clinic', async () => {
  const manager = await managed(['clinic:admin', 'doctors:read'])
  const made = await manager.post('/api/v1/keys', { name: 'k', scopes: ['doctors:read'] })
  expect(made).toMatchObject({ status: 201, body: { clinic_id: manager.clinicId } })
  expect((await withKey(made.body.key).get('/api/v1/doctors')).status).toBe(200)
})
