import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { ROLES } from '../src/access/roles'
import { DAY, keyFor, openClinic, openFrontDesk, statuses, times } from './clinic'
import { changeRole, KEYS, managed, type Person, personOf, STAFF, withKey } from './people'

const MINUTE = 60_000

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('a person is added, read, listed and renamed; the ETag tells states apart', async () => {
  const manager = await managed()
  const added = await manager.post(STAFF, { name: 'Ada Lovelace', role: 'nurse' })
  expect(added).toMatchObject({ status: 201, body: { name: 'Ada Lovelace', role: 'nurse', left_at: null } })
  const path = `${STAFF}/${added.body.id}`
  const read = await manager.get(path)
  expect([read.body, read.headers.get('ETag')]).toEqual([added.body, added.headers.get('ETag')])
  const body = JSON.stringify({ name: 'Ada King' })
  const match = { 'If-Match': read.headers.get('ETag') ?? '' }
  expect((await manager.send('PATCH', path, body)).status).toBe(428)
  const changed = await manager.send('PATCH', path, body, match)
  expect(changed).toMatchObject({ status: 200, body: { name: 'Ada King', role: 'nurse' } })
  expect((await manager.send('PATCH', path, body, match)).status).toBe(412)
  const other = await manager.post(STAFF, { name: 'Grace', role: 'doctor' })
  const first = await manager.get(`${STAFF}?limit=1`)
  expect(first.body).toEqual([changed.body])
  const next = first.headers.get('Link')?.match(/<(.+)>/)?.[1] ?? ''
  expect((await manager.get(next)).body).toEqual([other.body])
})

test.each([
  [{ name: '', role: 'nurse' }, 'name'],
  [{ name: 'A', role: 'admin' }, 'role'],
  [{ name: 'A' }, 'role'],
  [{ name: 'A', role: 'nurse', scopes: ['*'] }, 'scopes'],
])('a person with %j is 400', async (wanted, field) => {
  const reply = await (await managed()).post(STAFF, wanted)
  expect([reply.status, reply.body.errors[0].field]).toEqual([400, field])
})

test('a retry adds the person once, and shows them as they are by then', async () => {
  const manager = await managed()
  const add = () => manager.post(STAFF, { name: 'Ada', role: 'nurse' }, { 'Idempotency-Key': 'k' })
  const [one, other] = await Promise.all([add(), add()])
  expect([one.status, other.status, other.body]).toEqual([201, 201, one.body])
  expect((await manager.get(STAFF)).body).toHaveLength(1)
  const { body } = await manager.get('/api/v1/audit')
  expect(body.filter(({ action }: { action: string }) => action === 'staff.added')).toHaveLength(1)
})

test('a key of a person may do what the role may, and its scopes are the role’s', async () => {
  const manager = await managed()
  const nurse = await personOf(manager, 'nurse')
  expect((await nurse.get('/api/v1/patients/nobody')).status).toBe(404)
  expect((await nurse.post('/api/v1/patients', {})).status).toBe(403)
  const { body: keys } = await manager.get('/api/v1/keys')
  const own = keys.find(({ id }: { id: string }) => id === nurse.keyId)
  expect(own).toMatchObject({ staff_id: nurse.id, scopes: ROLES.nurse, expires_at: null })
})

test('a change of role counts at once for each key of the person, also one that is in use', async () => {
  const manager = await managed()
  const person = await personOf(manager, 'nurse')
  const second = await personOf(manager, 'nurse')
  expect((await person.post('/tests', {})).status).toBe(403)
  expect((await changeRole(manager, person, 'doctor')).status).toBe(200)
  expect((await person.post('/tests', {})).status).toBe(400)
  expect((await second.post('/tests', {})).status).toBe(403)
  const fresh = { ...person, match: { 'If-Match': '"2"' } }
  expect((await changeRole(manager, fresh, 'lab')).status).toBe(200)
  expect((await person.get('/api/v1/patients/nobody')).status).toBe(403)
  const stored = await env.DB.prepare('SELECT scopes FROM api_keys WHERE id = ?').bind(person.keyId).first()
  expect(JSON.parse(String(stored?.scopes))).toEqual(ROLES.lab)
})

test('of twenty changes of one person exactly one is made; a late retry undoes no newer one', async () => {
  const manager = await managed()
  const person = await personOf(manager, 'nurse')
  const roles = ['doctor', 'lab', 'front_desk', 'nurse']
  const replies = await Promise.all(times(20, (n) => changeRole(manager, person, roles[n % 4] ?? '')))
  expect(statuses(replies)).toEqual({ 200: 1, 412: 19 })
  const key = { 'Idempotency-Key': 'k' }
  const patch = (role: string, headers: object) =>
    manager.send('PATCH', `${STAFF}/${person.id}`, JSON.stringify({ role }), headers as HeadersInit)
  expect((await patch('doctor', { 'If-Match': '"2"', ...key })).status).toBe(200)
  expect((await patch('lab', { 'If-Match': '"3"' })).status).toBe(200)
  expect(await patch('doctor', { 'If-Match': '"2"', ...key })).toMatchObject({
    status: 200,
    body: { role: 'lab' },
  })
})

test('a person who leaves has no access from the next request on, gets nothing more, and stays in the record', async () => {
  const manager = await managed()
  const nurse = await personOf(manager, 'nurse')
  const { body: second } = await manager.post(`${STAFF}/${nurse.id}/keys`, { name: 'tablet' })
  const { body: link } = await manager.post(`${STAFF}/${nurse.id}/sign-in-links`)
  const stays = await personOf(manager, 'nurse')
  for (const { key } of [nurse, second]) expect((await withKey(key).get('/api/v1/doctors')).status).toBe(200)
  const left = await manager.send('DELETE', `${STAFF}/${nurse.id}`)
  expect(left).toMatchObject({ status: 200, body: { id: nurse.id, left_at: expect.any(String) } })
  expect((await nurse.get('/api/v1/doctors')).status).toBe(401)
  expect((await withKey(second.key).get('/api/v1/doctors')).status).toBe(401)
  expect((await stays.get('/api/v1/doctors')).status).toBe(200)
  const token = link.url.split('#')[1]
  expect((await manager.post('/api/v1/sign-in', { token })).status).toBe(401)
  for (const route of ['keys', 'sign-in-links'])
    expect(await manager.post(`${STAFF}/${nurse.id}/${route}`)).toMatchObject({
      status: 409,
      body: { type: '/problems/staff_left' },
    })
  expect(await changeRole(manager, { ...nurse, match: { 'If-Match': '"2"' } }, 'lab')).toMatchObject({
    status: 409,
    body: { type: '/problems/staff_left' },
  })
  expect((await manager.send('DELETE', `${STAFF}/${nurse.id}`)).body).toEqual(left.body)
  expect((await manager.get(`${STAFF}/${nurse.id}`)).body).toEqual(left.body)
})

test('a person who left is refused by another isolate, which still knows the key, within ten seconds', async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ['Date'] })
  const manager = await managed()
  const nurse = await personOf(manager, 'nurse')
  expect((await nurse.get('/api/v1/doctors')).status).toBe(200)
  await env.DB.prepare('UPDATE staff SET role = ? WHERE id = ?').bind('lab', nurse.id).run()
  vi.setSystemTime(Date.now() + 10_000)
  expect((await nurse.get('/api/v1/doctors')).status).toBe(403)
  await env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE staff_id = ?').bind(nurse.id).run()
  vi.setSystemTime(Date.now() + 10_000)
  expect((await nurse.get('/api/v1/doctors')).status).toBe(401)
})

test('a role that only a newer version knows may do nothing', async () => {
  const nurse = await personOf(await managed(), 'nurse')
  await env.DB.prepare(`UPDATE staff SET role = 'janitor' WHERE id = ?`).bind(nurse.id).run()
  expect((await nurse.get('/api/v1/doctors')).status).toBe(403)
})

test('only a key with clinic:admin or admin manages staff', async () => {
  const { clinicId } = await openClinic()
  const wanted = { name: 'A', role: 'nurse' }
  expect((await (await keyFor(clinicId, ['*'])).post(STAFF, wanted)).status).toBe(403)
  expect((await (await keyFor(clinicId, ['*', 'clinics:*'])).post(STAFF, wanted)).status).toBe(403)
  for (const scope of ['admin', 'clinic:admin'])
    expect((await (await keyFor(clinicId, ['*', scope])).post(STAFF, wanted)).status).toBe(201)
})

test('who may manage gives and takes only roles whose scopes it holds, and cannot widen itself', async () => {
  const manager = await managed()
  const narrow = await keyFor(manager.clinicId, ['clinic:admin', 'tests:read', 'tests:write'])
  expect((await narrow.post(STAFF, { name: 'A', role: 'lab' })).status).toBe(201)
  for (const role of ['nurse', 'doctor', 'front_desk', 'manager'])
    expect([role, (await narrow.post(STAFF, { name: 'A', role })).status]).toEqual([role, 403])
  const [lab, nurse] = [await personOf(narrow, 'lab'), await personOf(manager, 'nurse')]
  expect((await changeRole(narrow, lab, 'manager')).status).toBe(403)
  expect((await changeRole(narrow, nurse, 'lab')).status).toBe(403)
  expect((await narrow.send('DELETE', `${STAFF}/${nurse.id}`)).status).toBe(403)
  expect((await narrow.post(`${STAFF}/${nurse.id}/keys`)).status).toBe(403)
  expect((await narrow.post(`${STAFF}/${nurse.id}/sign-in-links`)).status).toBe(403)
  expect((await narrow.send('DELETE', `/api/v1/keys/${nurse.keyId}`)).status).toBe(403)
  expect((await nurse.get('/api/v1/doctors')).status).toBe(200)
  expect((await narrow.send('DELETE', `${STAFF}/${lab.id}`)).status).toBe(200)
  const boss = await personOf(manager, 'manager')
  expect((await boss.post(STAFF, { name: 'B', role: 'manager' })).status).toBe(201)
  for (const scopes of [['admin'], ['clinics:*'], ['*', 'clinics:*']])
    expect((await boss.post('/api/v1/keys', { clinic_id: manager.clinicId, name: 'k', scopes })).status).toBe(
      403,
    )
  expect((await boss.post('/api/v1/clinics', { id: 'x', name: 'X', time_zone: 'UTC' })).status).toBe(403)
})

test('a role that changes while a key is being made gives no key that the maker may not give', async () => {
  const manager = await managed()
  const narrow = await keyFor(manager.clinicId, ['clinic:admin', 'tests:read', 'tests:write'])
  const lab = await personOf(manager, 'lab')
  const [promoted, made] = await Promise.all([
    changeRole(manager, lab, 'nurse'),
    narrow.post(`${STAFF}/${lab.id}/keys`),
  ])
  expect(promoted.status).toBe(200)
  expect([201, 403]).toContain(made.status)
  expect((await narrow.post(`${STAFF}/${lab.id}/keys`)).status).toBe(403)
})

test('the secret of a person’s key is shown once, and the key ends when it was to', async () => {
  const manager = await managed()
  const { body } = await manager.post(STAFF, { name: 'A', role: 'nurse' })
  const make = () =>
    manager.post(
      `${STAFF}/${body.id}/keys`,
      { name: 'tablet', expires_in_days: 1 },
      { 'Idempotency-Key': 'k' },
    )
  const made = await make()
  const expiresAt = Date.parse(made.body.expires_at)
  expect(Math.abs(expiresAt - Date.now() - 86_400_000)).toBeLessThan(60_000)
  expect(await make()).toMatchObject({ status: 409, body: { type: '/problems/key_shown_once' } })
  const { body: keys } = await manager.get('/api/v1/keys')
  expect(keys.filter(({ staff_id }: { staff_id: string }) => staff_id === body.id)).toHaveLength(1)
  vi.useFakeTimers({ now: expiresAt - 5_000, toFake: ['Date'] })
  const asPerson = () => withKey(made.body.key).get('/api/v1/doctors')
  expect((await asPerson()).status).toBe(200)
  vi.setSystemTime(expiresAt - 1)
  expect((await asPerson()).status).toBe(200)
  vi.setSystemTime(expiresAt)
  expect((await asPerson()).status).toBe(401)
  for (const days of [0, 1.5, 3_651, '1'])
    expect((await manager.post(`${STAFF}/${body.id}/keys`, { expires_in_days: days })).status).toBe(400)
})

test('the events of a day name the person whose key booked', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'clinic:admin'] })
  const person = await personOf(desk, 'front_desk')
  await desk.book({ date: DAY })
  const wanted = { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, date: DAY, allow_another: true }
  expect((await person.post('/api/v1/appointments', wanted)).status).toBe(201)
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/events`)
  const booked = body.filter(({ type }: { type: string }) => type === 'booked')
  expect(booked).toMatchObject([
    { actor: desk.keyId, staff_id: null },
    { actor: person.keyId, staff_id: person.id },
  ])
})

test('the audit names the person whose key it was, by id, and no name', async () => {
  const manager = await managed()
  const desk = await personOf(manager, 'front_desk')
  const { body: patient } = await desk.post('/api/v1/patients', { name: 'Eve', phone: '202 555 0101' })
  const doctor = await personOf(manager, 'doctor')
  const record = { test_id: 't', patient_id: 'p', clinic_id: manager.clinicId, test_type: 'b', result: 'r' }
  expect((await doctor.post('/tests', record)).status).toBe(201)
  const { body, text } = await manager.get('/api/v1/audit')
  const of = (action: string) => body.find((entry: { action: string }) => entry.action === action)
  expect(of('patient.registered')).toMatchObject({
    key_id: desk.keyId,
    staff_id: desk.id,
    subject: patient.id,
    actor_clinic_id: manager.clinicId,
  })
  expect(of('medical_test.stored')).toMatchObject({ key_id: doctor.keyId, staff_id: doctor.id })
  expect(of('staff.added')).toMatchObject({ key_id: manager.keyId, staff_id: null, subject: doctor.id })
  expect(text).not.toMatch(/A front_desk|A doctor|Eve/)
})

/** A clinic whose manager is a person; the key that made them is gone. */
async function managedByPerson() {
  const founder = await managed()
  const manager = await personOf(founder, 'manager')
  expect((await manager.send('DELETE', `${KEYS}/${founder.keyId}`)).status).toBe(200)
  return { clinicId: founder.clinicId, manager, asClient: { ...founder, ...manager } }
}
const LAST = { status: 409, body: { type: '/problems/last_manager' } }
const leave = (by: Pick<Person, 'send'>, person: Person) => by.send('DELETE', `${STAFF}/${person.id}`)

test('the last manager can neither leave nor lose the role, and keeps the keys', async () => {
  const { manager, asClient } = await managedByPerson()
  const nurse = await personOf(asClient, 'nurse')
  expect(await leave(manager, manager)).toMatchObject(LAST)
  expect(await changeRole(asClient, manager, 'doctor')).toMatchObject(LAST)
  const audit = (await manager.get('/api/v1/audit')).body.map(({ action }: { action: string }) => action)
  expect(audit.filter((action: string) => ['staff.left', 'staff.changed'].includes(action))).toEqual([])
  const renamed = await manager.send('PATCH', `${STAFF}/${manager.id}`, '{"name":"M"}', manager.match)
  expect(renamed).toMatchObject({ status: 200, body: { name: 'M', role: 'manager' } })
  expect((await changeRole(asClient, nurse, 'lab')).status).toBe(200)
  expect((await leave(manager, nurse)).status).toBe(200)
})

test('a manager is followed by another one with a key in use, and by a lasting key of the clinic', async () => {
  const { clinicId, manager, asClient } = await managedByPerson()
  const { body: second } = await manager.post(STAFF, { name: 'B', role: 'manager' })
  expect(await leave(manager, manager)).toMatchObject(LAST)
  const minute = new Date(Date.now() + MINUTE).toISOString()
  const brief = { clinic_id: clinicId, name: 'k', scopes: ['clinic:admin'], expires_at: minute }
  expect((await manager.post(KEYS, brief)).status).toBe(201)
  await keyFor(clinicId, ['*'])
  await keyFor((await managed()).clinicId, ['clinic:admin'])
  expect(await leave(manager, manager)).toMatchObject(LAST)
  const { body: key } = await manager.post(`${STAFF}/${second.id}/keys`)
  await manager.send('DELETE', `${KEYS}/${key.id}`)
  expect(await leave(manager, manager)).toMatchObject(LAST)
  const { body: link } = await manager.post(`${STAFF}/${second.id}/sign-in-links`)
  const { body: session } = await manager.post('/api/v1/sign-in', { token: link.url.split('#')[1] })
  expect((await changeRole(asClient, manager, 'doctor')).status).toBe(200)
  const other = withKey(session.key)
  const heir = { id: second.id, send: other.send } as Person
  expect(await leave(heir, heir)).toMatchObject(LAST)
  await keyFor(clinicId, ['clinic:admin'])
  expect((await leave(heir, heir)).status).toBe(200)
})

test('of managers who remove each other at once, one stays', async () => {
  for (const _ of times(5, (n) => n)) {
    const { manager, asClient } = await managedByPerson()
    const [second, third] = [await personOf(asClient, 'manager'), await personOf(asClient, 'manager')]
    const replies = await Promise.all([
      leave(manager, second),
      leave(second, third),
      leave(third, manager),
      changeRole({ ...asClient, ...second }, manager, 'nurse'),
      changeRole({ ...asClient, ...manager }, third, 'lab'),
    ])
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
    const { results } = await env.DB.prepare(
      "SELECT id FROM staff WHERE clinic_id = ? AND role = 'manager' AND left_at IS NULL",
    )
      .bind(asClient.clinicId)
      .all()
    expect(results.length).toBeGreaterThan(0)
  }
})
