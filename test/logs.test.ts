import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, caller, openClinic, openFrontDesk } from './clinic'
import { operations } from './conformity'

afterEach(() => vi.restoreAllMocks())

/** Each is found nowhere but in what a caller sends. */
const MARKS = {
  name: 'Marked Namerson',
  phone: '+12025550177',
  email: 'marked@example.com',
  notes: 'a marked note',
  result: 'a marked result',
  testType: 'a marked type',
  secret: 'a-marked-secret',
  identifier: 'a-marked-number',
}
const TRACES = [
  ...Object.values(MARKS),
  'Namerson',
  'namerson',
  '2025550177',
  '(202) 555-0177',
  'marked',
  'Marked',
]

/** A search that is no fault. */
const SEARCH = { q: MARKS.name, phone: MARKS.phone, identifier: MARKS.identifier }

function listen(): string[] {
  const lines: string[] = []
  for (const level of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => {
      lines.push(
        parts.map((part) => (part instanceof Error ? `${part.stack} ${part.cause}` : String(part))).join(' '),
      )
    })
  return lines
}

/** Everything a caller can send, to every route: what is right, what is wrong, and what is not JSON. */
async function sendMarksEverywhere(clinic: Client): Promise<void> {
  const patient = { name: MARKS.name, phone: '(202) 555-0177', email: MARKS.email, gender: 'marked', age: 40 }
  const event = {
    event_type: 'updated',
    appointment_id: 'A',
    patient_id: 'P',
    timestamp: '2025-01-10T12:30:00Z',
  }
  const medicalTest = { test_id: 't', patient_id: 'p', clinic_id: clinic.clinicId, test_type: MARKS.testType }
  const fields = { notes: MARKS.notes, identifiers: [{ system: 'mrn', value: MARKS.identifier }] }
  const bodies: object[] = [
    patient,
    { ...patient, ...fields, language: 'de' },
    { ...patient, ...fields, language: MARKS.notes, name: 'Marked Other', phone: '2025550178' },
    { q: MARKS.name, phone: '(202) 555-0177', identifier: MARKS.identifier },
    { q: MARKS.name, birth_date: MARKS.notes, cursor: MARKS.notes, limit: MARKS.name },
    { ...patient, name: 'Marked Other' },
    { ...patient, age: MARKS.notes, phone: MARKS.name },
    { name: MARKS.name, code: 'marked', specialty: MARKS.notes },
    { date: '2040-03-14', is_present: false, notes: MARKS.notes },
    { ...event, notes: MARKS.notes },
    { ...event, timestamp: MARKS.notes, notes: { text: MARKS.notes } },
    { ...medicalTest, result: MARKS.result },
    { ...medicalTest, result: [MARKS.result] },
    { patient_id: MARKS.name, doctor_id: MARKS.name, date: MARKS.name, idempotency_key: 'k' },
    { appointment_id: MARKS.name, patient_id: MARKS.name },
    { id: 'c', name: MARKS.name, time_zone: MARKS.notes },
    { reason: MARKS.notes, room: MARKS.name, date: '2040-03-14' },
    { hold_id: MARKS.name, patient_id: MARKS.name, doctor_id: MARKS.name, ttl_seconds: MARKS.notes },
  ]
  for (const { method, path } of await operations()) {
    const url = `${path.replace(/\{[^}]+\}/g, encodeURIComponent(MARKS.name))}?q=${encodeURIComponent(MARKS.name)}&date=marked`
    if (method === 'GET') {
      await clinic.get(url)
      await clinic.get(`${url.split('?')[0]}?${new URLSearchParams(SEARCH)}`)
    } else
      for (const body of bodies)
        await clinic.send(method, path.replace(/\{[^}]+\}/g, 'x'), JSON.stringify(body))
    if (method === 'POST') await clinic.send(method, url, `{"name": "${MARKS.name}"`)
  }
}

function expectNoTrace(lines: string[]): void {
  expect(lines.length).toBeGreaterThan(0)
  for (const line of lines) for (const trace of TRACES) expect(line).not.toContain(trace)
}

test('no name, phone, e-mail, note or result is in any log line, errors included', async () => {
  const clinic = await openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
  const lines = listen()
  await sendMarksEverywhere(clinic)
  await caller({ Authorization: `Bearer key.${MARKS.secret}` }).get('/events')
  await clinic.get('/events', { 'X-Request-Id': MARKS.name })
  expectNoTrace(lines)
}, 30_000)

test('nor when the database fails, whose own messages hold what was sent', async () => {
  const clinic = await openFrontDesk()
  const lines = listen()
  for (const failure of [
    'D1_ERROR: Network connection lost.',
    `D1_ERROR: near "${MARKS.name}": syntax error: SQLITE_ERROR`,
  ]) {
    const statement = Object.getPrototypeOf(env.DB.prepare('SELECT 1')) as D1PreparedStatement
    const spies = [
      vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockRejectedValue(new Error(failure)),
      vi.spyOn(statement, 'run').mockRejectedValue(new Error(failure)),
    ]
    const reply = await clinic.post('/api/v1/patients', { name: MARKS.name, phone: MARKS.phone })
    expect([500, 503]).toContain(reply.status)
    expect(reply.text).not.toContain('Namerson')
    for (const spy of spies) spy.mockRestore()
  }
  expectNoTrace(lines)
})

test('each request is one JSON line: method, route pattern, status, ms, clinic, key and request id', async () => {
  const clinic = await openClinic()
  const lines = listen()
  await clinic.get('/api/v1/patients/someone', { 'X-Request-Id': 'my-request-1' })
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: 'info',
      event: 'request',
      method: 'GET',
      route: '/api/v1/patients/:id',
      status: 404,
      ms: expect.any(Number),
      clinic: clinic.clinicId,
      key: clinic.keyId,
      request_id: 'my-request-1',
      problem: 'not_found',
    },
  ])
})

test.each([
  ['/api/v1/hospitals/jobs', '/api/v1/hospitals/jobs'],
  ['/api/v1/hospitals/someone', '/api/v1/hospitals/:id'],
  ['/api/v1/appointments/doctors/d/appointments', '/api/v1/appointments/doctors/:doctor_id/appointments'],
  ['/no/such/route', '/*'],
])('the log of GET %s names the route %s', async (path, route) => {
  const clinic = await openClinic()
  const lines = listen()
  await clinic.get(path)
  expect(lines.map((line) => JSON.parse(line).route)).toEqual([route])
})

test('a sane X-Request-Id is taken and returned; anything else is replaced', async () => {
  const clinic = await openClinic()
  const returned = async (id: string) =>
    (await clinic.get('/events', { 'X-Request-Id': id })).headers.get('X-Request-Id')
  expect(await returned('order-4711.a_b')).toBe('order-4711.a_b')
  for (const strange of [
    'short',
    'has space in it',
    '{"forged":"line"}',
    'x'.repeat(129),
    'пациент-1234'.slice(0, 0),
  ])
    expect(await returned(strange)).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
})
