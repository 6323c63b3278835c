import { env } from 'cloudflare:workers'
import { Validator } from '@cfworker/json-schema'
import { expect, test, vi } from 'vitest'
import { openClinic, statuses, times } from './clinic'

const EVENT = {
  event_type: 'appointment.scheduled',
  appointment_id: 'A1',
  patient_id: 'P1',
  timestamp: '2025-01-10T12:30:00Z',
}
const PATH = '/webhook/appointments'

test('an event is accepted with its ids and the request id', async () => {
  const clinic = await openClinic()
  const { status, body, headers } = await clinic.post(PATH, EVENT)
  expect(status).toBe(200)
  expect(body).toEqual({
    status: 'accepted',
    message: 'Appointment event received and stored',
    event_id: 1,
    appointment_id: 'A1',
    request_id: headers.get('X-Request-Id'),
  })
})

test.each(['scheduled', 'cancelled', 'updated'])(
  'the bare type %s is accepted and stored in the long form',
  async (type) => {
    const clinic = await openClinic()
    await clinic.post(PATH, { ...EVENT, event_type: type })
    await clinic.post(PATH, { ...EVENT, event_type: `appointment.${type}`, appointment_id: 'A2' })
    const { body } = await clinic.get('/events')
    expect(body.events.map((event: { event_type: string }) => event.event_type)).toEqual(
      times(2, () => `appointment.${type}`),
    )
  },
)

test.each([
  '2025-01-10T12:30:00Z',
  '2025-01-10T12:30:00+00:00',
  '2025-01-10T18:00:00+05:30',
  '2025-01-10T18:00+0530',
  '2025-01-10T12:30:00.000Z',
  '2025-01-10T04:30:00-08',
  '2025-01-10t12:30:00z',
])('the same instant, written %s, is the same event: 409', async (timestamp) => {
  const clinic = await openClinic()
  await clinic.post(PATH, { ...EVENT, appointment_id: 'A9', timestamp: '2025-01-10T12:30:00Z' })
  const again = await clinic.post(PATH, { ...EVENT, appointment_id: 'A9', timestamp })
  expect(again).toMatchObject({
    status: 409,
    body: { error: expect.any(String), message: expect.any(String) },
  })
  expect(again.body.request_id).toBe(again.headers.get('X-Request-Id'))
  expect((await clinic.post(PATH, { ...EVENT, timestamp })).status).toBe(200)
})

test('instants a nanosecond apart are two events', async () => {
  const clinic = await openClinic()
  const stamps = ['2025-01-10T12:30:00.000000001Z', '2025-01-10T12:30:00.000000002Z']
  const replies = await Promise.all(stamps.map((timestamp) => clinic.post(PATH, { ...EVENT, timestamp })))
  expect(statuses(replies)).toEqual({ 200: 2 })
})

test('fifty identical events at once are stored once', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all(times(50, () => clinic.post(PATH, EVENT)))
  expect(statuses(replies)).toEqual({ 200: 1, 409: 49 })
})

test('invalid JSON is 400 with error, message and request_id', async () => {
  const clinic = await openClinic()
  const reply = await clinic.send('POST', PATH, '{"event_type":')
  expect(reply.status).toBe(400)
  expect(reply.body).toMatchObject({ error: expect.any(String), message: expect.any(String) })
  expect(reply.body.request_id).toBe(reply.headers.get('X-Request-Id'))
})

test('every missing field is named at once', async () => {
  const clinic = await openClinic()
  const { status, body } = await clinic.post(PATH, {})
  expect(status).toBe(400)
  for (const field of ['event_type', 'appointment_id', 'patient_id', 'timestamp'])
    expect(body.message).toContain(field)
})

test('an unexpected failure is 500 with error, message and request_id, and nothing of its cause', async () => {
  const clinic = await openClinic()
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const spy = vi.spyOn(database, 'batch').mockRejectedValue(new Error('a secret of the database'))
  const { status, body, text } = await clinic.post(PATH, EVENT)
  spy.mockRestore()
  expect(status).toBe(500)
  expect(body).toMatchObject({
    error: 'Internal error',
    message: expect.any(String),
    request_id: expect.any(String),
  })
  expect(text).not.toContain('secret')
})

test('GET /events answers count and events, newest first, with every field', async () => {
  const clinic = await openClinic()
  await clinic.post(PATH, { ...EVENT, notes: 'bring papers' })
  await clinic.post(PATH, { ...EVENT, appointment_id: 'A2' })
  const { status, body } = await clinic.get('/events?limit=100')
  expect(status).toBe(200)
  expect(body).toEqual({
    count: 2,
    events: [
      {
        ...EVENT,
        appointment_id: 'A2',
        notes: null,
        id: 2,
        received_at: expect.any(String),
      },
      { ...EVENT, notes: 'bring papers', id: 1, received_at: expect.any(String) },
    ],
  })
})

test('GET /events?limit=1 is one event, and Link leads to the one before', async () => {
  const clinic = await openClinic()
  for (const appointment_id of ['A1', 'A2']) await clinic.post(PATH, { ...EVENT, appointment_id })
  const first = await clinic.get('/events?limit=1')
  expect(first.body).toMatchObject({ count: 1, events: [{ appointment_id: 'A2' }] })
  const next = first.headers.get('Link')?.match(/<(\/.+)>/)?.[1] ?? ''
  const second = await clinic.get(next)
  expect(second.body).toMatchObject({ count: 1, events: [{ appointment_id: 'A1' }] })
  expect(second.headers.get('Link')).toBeNull()
})

test.each(['2025-01-10', '2025-01-10T12:30:00', '12:30:00Z', '2025-02-30T12:30:00Z'])(
  'a timestamp without date, time or zone is refused: %s is 400 and names timestamp',
  async (timestamp) => {
    const clinic = await openClinic()
    const { status, body } = await clinic.post(PATH, { ...EVENT, timestamp })
    expect([status, body.errors[0].field]).toEqual([400, 'timestamp'])
  },
)

test.each([[undefined], [null], ['a note']])(
  'notes may be absent, null or text: %j is 200',
  async (notes) => {
    const clinic = await openClinic()
    expect((await clinic.post(PATH, { ...EVENT, notes })).status).toBe(200)
  },
)

test.each([
  ['notes', 7],
  ['appointment_id', 7],
  ['patient_id', '  '],
  ['event_type', 'deleted'],
])('%s may not be %j: 400, and the message names it', async (field, value) => {
  const clinic = await openClinic()
  const { status, body } = await clinic.post(PATH, { ...EVENT, [field]: value })
  expect(status).toBe(400)
  expect(body.message).toContain(field)
})

const LONG = 'x'.repeat(201)
const CORPUS: [accepted: boolean, change: Record<string, unknown>][] = [
  [true, {}],
  [true, { notes: null }],
  [true, { notes: '' }],
  [true, { notes: 'a note' }],
  [true, { appointment_id: ' A1 ' }],
  [true, { appointment_id: '\u{1f600}'.repeat(200) }],
  [true, { event_type: 'updated' }],
  [true, { another: 'field' }],
  [true, { timestamp: '2024-02-29T00:00:00Z' }],
  [true, { timestamp: '2000-02-29T23:59:59.999999999+14:00' }],
  [true, { timestamp: '2025-01-10 12:30:00Z' }],
  [true, { timestamp: '2025-01-10T12:30Z' }],
  [false, { timestamp: '2025-01-10' }],
  [false, { timestamp: '2025-01-10T12:30:00' }],
  [false, { timestamp: '2025-02-29T00:00:00Z' }],
  [false, { timestamp: '1900-02-29T00:00:00Z' }],
  [false, { timestamp: '2025-04-31T00:00:00Z' }],
  [false, { timestamp: '2025-13-01T00:00:00Z' }],
  [false, { timestamp: '2025-00-01T00:00:00Z' }],
  [false, { timestamp: '2025-01-10T24:00:00Z' }],
  [false, { timestamp: '2025-01-10T12:60:00Z' }],
  [false, { timestamp: '2025-01-10T12:30:00+24:00' }],
  [false, { timestamp: 'yesterday' }],
  [false, { timestamp: 1736512200 }],
  [false, { timestamp: null }],
  [false, { event_type: 'appointment.deleted' }],
  [false, { event_type: 'Scheduled' }],
  [false, { event_type: null }],
  [false, { appointment_id: 7 }],
  [false, { appointment_id: '' }],
  [false, { appointment_id: '\t\n ' }],
  [false, { appointment_id: LONG }],
  [false, { appointment_id: '\u{1f600}'.repeat(201) }],
  [false, { patient_id: ['P1'] }],
  [false, { notes: 7 }],
  [false, { notes: { text: 'x' } }],
  [false, { notes: 'x'.repeat(10_001) }],
  ...['event_type', 'appointment_id', 'patient_id', 'timestamp'].map(
    (field): [boolean, Record<string, unknown>] => [false, { [field]: undefined }],
  ),
]

test('the published JSON Schema and the service accept and refuse the same events', async () => {
  const clinic = await openClinic()
  const schema = new Validator((await clinic.get(`${PATH}/schema.json`)).body)
  for (const [index, [accepted, change]] of CORPUS.entries()) {
    const event = JSON.parse(JSON.stringify({ ...EVENT, patient_id: `P${index}`, ...change }))
    const { status } = await (await openClinic()).post(PATH, event)
    expect([status, schema.validate(event).valid], JSON.stringify(change).slice(0, 80)).toEqual(
      accepted ? [200, true] : [400, false],
    )
  }
})
