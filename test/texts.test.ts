import type { OpenAPIV3_1 } from 'openapi-types'
import { expect, test } from 'vitest'
import { type Client, openClinic, openFrontDesk } from './clinic'
import { openApiDocument, operations } from './conformity'
import { csv, HOSPITALS, imported, upload } from './directory'

type Schema = OpenAPIV3_1.SchemaObject & { $ref?: string; const?: unknown }

/** The path of every text in a body, as faults name it: `code`, `working_hours.from`, `scopes.0`. */
function textFields(schema: Schema, schemas: Record<string, Schema>, path = ''): string[] {
  if (schema.$ref) return textFields(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, schemas, path)
  const inner = (name: string) => (path ? `${path}.${name}` : name)
  const alternatives = [...(schema.anyOf ?? []), ...(schema.allOf ?? [])] as Schema[]
  return [
    ...(schema.type === 'string' || (schema.enum && typeof schema.enum[0] === 'string') ? [path] : []),
    ...alternatives.flatMap((one) => textFields(one, schemas, path)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, one]) =>
      textFields(one as Schema, schemas, inner(name)),
    ),
    ...('items' in schema ? textFields(schema.items as Schema, schemas, inner('0')) : []),
  ]
}

/** `{ working_hours: { from: value } }` for `working_hours.from`. */
const bodyWith = (path: string, value: unknown): unknown =>
  path.split('.').reduceRight<unknown>((inner, name) => (name === '0' ? [inner] : { [name]: inner }), value)

async function bodiesWithTexts() {
  const { components } = await openApiDocument()
  return (await operations()).flatMap(({ method, path, operation }) => {
    const content = (operation.requestBody as OpenAPIV3_1.RequestBodyObject | undefined)?.content
    const schema = content?.['application/json']?.schema as Schema | undefined
    const fields = schema ? textFields(schema, components?.schemas as Record<string, Schema>) : []
    return [...new Set(fields)].map((field) => ({ method, path, field }))
  })
}

/** The Idempotency-Key in the body has a rule of its own. */
const OWN_RULE = ['idempotency_key']
/** Notes and reasons need not be there, so they may be blank; so may what is typed into a field for searches. */
const MAY_BE_BLANK = [
  '/api/v1/doctors/{id}/availability notes',
  '/webhook/appointments notes',
  '/api/v1/appointments/{id}/cancel reason',
  '/api/v1/patients/search q',
]
/** Marks of direction around a phone that is searched for are dropped. */
const DROPS_MARKS = ['/api/v1/patients/search phone']
const MARKS = /[\u202e\u2066]/
const [UNSAFE, HALVES] = [
  ['Ada\0', 'A\u001bda', 'Ada\u007f', 'A\u0085da', '\u202eAda', 'A\u2066da', 'A\u200b\ud800', '\udfff'],
  ['"A\\ud800"', '"\\uDFFFA"', '"\\ud83d\\u0041"'],
]
const BLANK = [
  '\u200b',
  '\u2060\ufeff',
  '\u00ad',
  '\u3164',
  '\u2800',
  '\ufe0f',
  '\u200d',
  '\u200e ',
  ' \u00a0',
]

test('every text of every body is refused where it is blank, unsafe or half a character, and named', async () => {
  const clinic = await openFrontDesk({ scopes: ['*', 'admin', 'clinics:*'] })
  const fields = (await bodiesWithTexts()).filter(({ field }) => !OWN_RULE.includes(field))
  expect(fields.length).toBeGreaterThan(30)
  for (const { method, path, field } of fields) {
    const url = path.replace('{date}', '2026-03-14').replace(/\{[^}]+\}/g, clinic.doctorId)
    const blank = MAY_BE_BLANK.includes(`${path} ${field}`) ? [] : BLANK
    const unsafe = UNSAFE.filter((text) => !DROPS_MARKS.includes(`${path} ${field}`) || !MARKS.test(text))
    const bodies = [
      ...[...unsafe, ...blank].map((value) => JSON.stringify(bodyWith(field, value))),
      ...HALVES.map((half) => JSON.stringify(bodyWith(field, '?')).replace('"?"', half)),
    ]
    for (const sent of bodies) {
      const { status, body } = await clinic.send(method, url, sent)
      const named = body.errors?.map((fault: { field: string }) => fault.field)
      expect([path, sent, status, named]).toEqual([path, sent, 400, expect.arrayContaining([field])])
    }
  }
})

const PATHS = ['%E2%80%8B', '%00', 'a%07', '%E2%80%AEtxt', '%ED%A0%80', 'x%FF', '%C0%80', '%20']

test('so is every parameter of a path', async () => {
  const clinic = await openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
  for (const { method, path } of await operations()) {
    if (!path.includes('{')) continue
    const field = /\{([^}]+)\}/.exec(path)?.[1]
    for (const value of PATHS) {
      const url = path
        .replace(/\{[^}]+\}/, value)
        .replace('{date}', '2026-03-14')
        .replace('{step}', 'serve')
      const { status, body } = await clinic.send(method, url, method === 'GET' ? null : '{}')
      expect([method, url, status, body.errors?.[0].field]).toEqual([method, url, 400, field])
    }
  }
})

test.each([
  ['/tests?clinic_id=%ED%A0%80', 'clinic_id'],
  ['/tests?clinic_id=%E2%80%8B', 'clinic_id'],
  ['/api/v1/hospitals?q=a%00', 'q'],
  ['/api/v1/hospitals?q=%E2%80%AEcba', 'q'],
  ['/api/v1/hospitals?q=%FF', 'q'],
  ['/api/v1/appointments?patient_id=%E2%81%A0', 'patient_id'],
  ['/api/v1/appointments?doctor_id=x%1B', 'doctor_id'],
  ['/api/v1/appointments?x=%ED%BF%BF', 'x'],
])('GET %s is 400 and names %s', async (path, field) => {
  const { status, body } = await (await openClinic()).get(path)
  expect([status, body.errors[0].field]).toEqual([400, field])
})

test('a percent sign that encodes nothing is itself', async () => {
  const clinic = await openClinic()
  await imported(clinic, csv('Mercy,100% Main St,'))
  expect((await clinic.get(`${HOSPITALS}?q=100%`)).body).toHaveLength(1)
})

const testsOf = async (clinic: Client, ids: string[]) => {
  const replies = []
  for (const test_id of ids)
    replies.push(
      await clinic.send(
        'POST',
        '/tests',
        `{"test_id":"${test_id}","patient_id":"p","clinic_id":"${clinic.clinicId}","test_type":"b","result":"r"}`,
      ),
    )
  return replies.map(({ status }) => status)
}

test.each([
  ['halves of characters', ['t\\ud800', 't\\udfff'], [400, 400]],
  ['two ways to write é', ['te\\u0301', 't\u00e9'], [201, 409]],
  ['what shows nothing at the edges', ['t1', '\\u200bt1', 't1\\u200d', 't1\\ufeff\\n'], [201, 409, 409, 409]],
  ['a joiner that Persian needs', ['می\u200cروم', 'میروم'], [201, 201]],
  ['Ångström and Å', ['\\u212b', '\u00c5', 'A\\u030a'], [201, 409, 409]],
])('test ids: %s', async (_, ids, expected) => {
  expect(await testsOf(await openClinic(), ids)).toEqual(expected)
})

test('two ways to write é are one code of a doctor, one event and one request with a key', async () => {
  const clinic = await openClinic()
  const doctor = { name: 'Zoe', code: 'Zo\u0065\u0301' }
  expect((await clinic.post('/api/v1/doctors', doctor)).status).toBe(201)
  expect((await clinic.post('/api/v1/doctors', { ...doctor, code: 'Zo\u00e9' })).status).toBe(409)
  const event = { event_type: 'updated', patient_id: 'p', timestamp: '2025-01-10T12:30:00Z' }
  const ids = ['e\u0301', '\u00e9']
  for (const [index, appointment_id] of ids.entries())
    expect((await clinic.post('/webhook/appointments', { ...event, appointment_id })).status).toBe(
      index === 0 ? 200 : 409,
    )
  const key = { 'Idempotency-Key': 'k' }
  const patient = { phone: '202 555 0101' }
  const first = await clinic.post('/api/v1/patients', { ...patient, name: 'Ren\u0065\u0301' }, key)
  const again = await clinic.post('/api/v1/patients', { ...patient, name: 'Ren\u00e9' }, key)
  expect([again.status, again.body]).toEqual([201, first.body])
})

test('a result may have lines and tabs, and scripts keep the joiners that they need', async () => {
  const clinic = await openClinic()
  const result = 'Na\t140\r\nK\t4.1\n\u2028क्\u200dष'
  const record = {
    test_id: 't',
    patient_id: 'علی\u200cرضا',
    test_type: 'b',
    result,
    clinic_id: clinic.clinicId,
  }
  expect((await clinic.post('/tests', record)).status).toBe(201)
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body).toMatchObject([record])
})

test.each([
  ['\u200b', "Row 2: 'name' is required"],
  ['\u2800\u3164', "Row 2: 'name' is required"],
  ['A\u202eB', "Row 2: 'name' must not hold control characters or direction overrides; leave them out"],
  ['A\u0085B', "Row 2: 'name' must not hold control characters or direction overrides; leave them out"],
  ['"A\nB"', "Row 2: 'name' must be one line, without tabs and line breaks"],
])('a file refuses the name %j as POST does', async (name, message) => {
  const clinic = await openClinic()
  for (const path of ['/api/v1/hospitals/bulk', '/api/v1/patients/bulk']) {
    const file = path.includes('hospitals') ? `name,address\n${name},B\n` : `name,phone\n${name},2025550101\n`
    const headers = { 'Idempotency-Key': 'k', 'Content-Type': 'text/csv' }
    const { status, body } = await clinic.send('POST', path, file, headers)
    expect([status, body.message]).toEqual([400, message])
  }
  const posted = await clinic.post('/api/v1/patients', {
    name: name.replaceAll('"', ''),
    phone: '2025550101',
  })
  expect([posted.status, posted.body.errors[0].field]).toEqual([400, 'name'])
})

test('an address may have lines, and half a character is no UTF-8 in a file either', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('Mercy,"1 High St\nTown",'))
  expect(body.result.hospitals).toMatchObject([{ status: 'created_and_activated' }])
  const bytes = new TextEncoder().encode(csv('A?,B,'))
  const half = Uint8Array.from([...bytes].flatMap((byte) => (byte === 0x3f ? [0xed, 0xa0, 0x80] : [byte])))
  expect((await upload(clinic, half)).body.message).toMatch(/not UTF-8/)
})
