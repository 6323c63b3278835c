import { expect, test } from 'vitest'
import { caller, openClinic, openFrontDesk } from './clinic'
import { operations } from './conformity'

/** A query says one thing, and a query that contradicts itself is refused. */

const ALL_SCOPES = ['*', 'admin', 'clinics:*']

test('every parameter of every query counts once: two values are 400 and name the parameter', async () => {
  const clinic = await openClinic({ scopes: ALL_SCOPES })
  const asked = (await operations()).flatMap(({ method, path, operation }) =>
    (operation.parameters ?? []).flatMap((parameter) =>
      'in' in parameter && parameter.in === 'query' ? [{ method, path, name: parameter.name }] : [],
    ),
  )
  expect(asked.length).toBeGreaterThan(20)
  for (const { method, path, name } of asked) {
    const url = `${path.replace('{date}', '2040-03-14').replace(/\{[^}]+\}/g, 'x')}?${name}=1&x&${name}=1`
    const { status, body } = await clinic.send(method, url, method === 'GET' ? null : '{}', {
      'Idempotency-Key': 'k',
    })
    expect([method, url, status]).toEqual([method, url, 400])
    expect(body.errors).toContainEqual({
      field: name,
      rule: 'unique',
      message: `${name} is given more than once; send it once`,
    })
  }
})

test('a ticket that is given twice is refused before any day is asked', async () => {
  const live = '/api/v1/checkins/doctors/d/queue/live?date=2040-03-14'
  const { status, body } = await caller().get(`${live}&ticket=a&ticket=b`)
  expect([status, body.errors[0].field]).toEqual([400, 'ticket'])
})

test('a parameter that the route ignores may be there twice, and one with an encoded name may not', async () => {
  const clinic = await openClinic()
  expect((await clinic.get('/events?utm=1&utm=2')).headers.get('Ignored-Fields')).toBe('utm')
  expect((await clinic.get('/events?limit=1&%6cimit=2')).status).toBe(400)
})

test.each(['abc', '-1', '1.5', '%20', '1e3', '9'.repeat(16)])('queue/live?since=%s is 400', async (since) => {
  const desk = await openFrontDesk()
  const live = `/api/v1/checkins/doctors/${desk.doctorId}/queue/live?date=2040-03-14&since=${since}`
  for (const reply of [await desk.get(live), await caller().get(`${live}&ticket=t`)]) {
    expect([reply.status, reply.body.errors[0].field]).toEqual([400, 'since'])
    expect(reply.body.message).toContain('whole number')
  }
})

test('a since beyond the last event begins with a snapshot, as documented', async () => {
  const desk = await openFrontDesk()
  const live = `/api/v1/checkins/doctors/${desk.doctorId}/queue/live?date=2040-03-14`
  expect((await desk.get(`${live}&since=999999999999999`)).status).toBe(200)
})

test('a list from a later date to an earlier one is 400; one day is a range', async () => {
  const desk = await openFrontDesk()
  const list = (from: string, to: string) => desk.get(`/api/v1/appointments?from=${from}&to=${to}`)
  expect((await list('2026-12-01', '2026-11-01')).body.errors).toEqual([
    { field: 'from', rule: 'value', message: 'from must not be after to' },
  ])
  expect((await list('2026-12-01', '2026-12-01')).status).toBe(200)
  expect((await desk.get('/api/v1/appointments?from=2026-12-01')).status).toBe(200)
})

test.each([
  ['0026-11-28T09:00:00Z', 400],
  ['0001-01-01T00:00:00+05:30', 400],
  ['1899-12-31T23:59:59Z', 400],
  ['1900-01-01T00:00:00Z', 200],
  ['2000-02-29T00:00:00Z', 200],
  ['9999-12-31T23:59:59Z', 200],
])('an event of %s is %i', async (timestamp, status) => {
  const clinic = await openClinic()
  const event = { event_type: 'updated', appointment_id: 'A', patient_id: 'P', timestamp }
  const reply = await clinic.post('/webhook/appointments', event)
  expect(reply.status).toBe(status)
  expect(status === 200 || reply.body.message === 'timestamp must have a year from 1900 on').toBe(true)
})

test('an item of a list is named in words, and its field stays a path', async () => {
  const clinic = await openClinic({ scopes: ALL_SCOPES })
  const { body } = await clinic.post('/api/v1/keys', { clinic_id: 'c', name: 'n', scopes: ['*', 'x'] })
  expect(body.errors[0].field).toBe('scopes.1')
  expect(body.message).toMatch(/^item 2 of scopes must be /)
  const half = '{"clinic_id":"c","name":"n","scopes":["\\ud800"]}'
  expect((await clinic.send('POST', '/api/v1/keys', half)).body.message).toMatch(
    /^item 1 of scopes must not /,
  )
})

test('the pages of problems are written in plain words', async () => {
  const { body } = await caller().get('/problems')
  for (const { type } of body.problems)
    expect((await caller().get(type)).text).not.toMatch(/\b[Mm]end\b|is no JSON|is no CSV|by mistake/)
})
