import type { OpenAPIV3_1 } from 'openapi-types'
import { expect, test } from 'vitest'
import { FAULTS_TOLD_MAX, invalid } from '../src/http/failure'
import { openClinic, times } from './clinic'
import { openApiDocument, operations } from './conformity'

type Schema = OpenAPIV3_1.SchemaObject & { $ref?: string; items?: Schema }

const LARGEST_ANSWER = 20_000
const admin = () => openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
const fault = (n: number) => ({ field: `f${n}`, rule: 'string', message: `f${n} must be a string` })

test.each([
  ['invalid scopes', '"x"', 250_000],
  ['numbers', '1', 400_000],
  ['lists', '[]', 300_000],
  ['valid scopes, too many of them', '"*"', 51],
])('a list of %s is told as one fault, however long it is', async (_, item, count) => {
  const clinic = await admin()
  const body = `{"clinic_id":"c","name":"n","scopes":[${times(count, () => item).join(',')}]}`
  const reply = await clinic.send('POST', '/api/v1/keys', body)
  expect(reply.status).toBe(400)
  expect(reply.body.errors).toEqual([
    { field: 'scopes', rule: 'length', message: 'scopes must name at most 50 scopes' },
  ])
  expect(reply.text.length).toBeLessThan(2_000)
})

test('an empty list and a list with one wrong item say so; a list of 50 is read', async () => {
  const clinic = await admin()
  const scopesOf = async (scopes: unknown) =>
    (await clinic.post('/api/v1/keys', { clinic_id: 'nobody', name: 'n', scopes })).body.errors
  expect(await scopesOf([])).toMatchObject([{ message: 'scopes must name at least one scope' }])
  expect(await scopesOf(['events:read', 'x'])).toMatchObject([{ field: 'scopes.1' }])
  expect(await scopesOf(times(50, () => 'x'))).toHaveLength(50)
  expect(await scopesOf(times(50, () => '*'))).toBeUndefined()
  expect(await scopesOf('*')).toMatchObject([{ field: 'scopes', message: 'scopes must be a list' }])
})

test('of many faults the first hundred are told, each once, and how many more there are', () => {
  const many = invalid([...times(250, fault), ...times(250, fault)])
  expect(many.more.faults).toEqual(times(FAULTS_TOLD_MAX, fault))
  expect(many.more.faultsLeftOut).toBe(150)
  expect(many.sentence).toMatch(/f99 must be a string; and 150 more$/)
  const few = invalid([fault(1), fault(2), fault(1)])
  expect(few.more.faults).toEqual([fault(1), fault(2)])
  expect(few.sentence).toBe('f1 must be a string; f2 must be a string')
  expect(invalid(times(100, fault)).more.faultsLeftOut).toBe(0)
})

const resolved = async (schema: Schema): Promise<Schema> => {
  const { components } = await openApiDocument()
  const name = schema.$ref?.split('/').at(-1)
  return name ? ((components?.schemas?.[name] ?? {}) as Schema) : schema
}

/** Every schema within a schema, with its path. */
async function within(schema: Schema, path: string): Promise<[string, Schema][]> {
  const { properties = {}, items, anyOf = [], oneOf = [], allOf = [], ...own } = await resolved(schema)
  const parts: [string, Schema][] = [
    ...Object.entries(properties).map(([name, part]): [string, Schema] => [
      `${path}.${name}`,
      part as Schema,
    ]),
    ...(items ? [[`${path}[]`, items] as [string, Schema]] : []),
    ...[...anyOf, ...oneOf, ...allOf].map((part): [string, Schema] => [path, part as Schema]),
  ]
  return [[path, own as Schema], ...(await Promise.all(parts.map(([at, part]) => within(part, at)))).flat()]
}

const bodies = async () =>
  (await operations()).flatMap(({ method, path, operation }) => {
    const content = (operation.requestBody as OpenAPIV3_1.RequestBodyObject | undefined)?.content ?? {}
    const schema = content['application/json']?.schema as Schema | undefined
    return schema ? [{ method, path, schema }] : []
  })

test('every list that a body may hold has a limit in the document, and no body holds names of the caller’s', async () => {
  const all = await bodies()
  expect(all.length).toBeGreaterThan(10)
  for (const { path, schema } of all)
    for (const [at, part] of await within(schema, path)) {
      if (part.type === 'array') expect([at, part.maxItems ?? 'no limit']).toEqual([at, expect.any(Number)])
      expect([at, part.additionalProperties ?? false]).toEqual([at, false])
    }
})

test.each([
  ['a long text', 'x'.repeat(200_000)],
  ['blanks', ' '.repeat(200_000)],
  ['emoji', '😀'.repeat(50_000)],
  ['a long list', times(50_000, () => 'x')],
  ['a deep list', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`)],
  ['an object of many names', Object.fromEntries(times(10_000, (n) => [`name${n}`, n]))],
])('%s in every field of every body gets a short answer, and is not repeated', async (_, value) => {
  const clinic = await admin()
  for (const { method, path, schema } of await bodies()) {
    const { properties = {} } = await resolved(schema)
    const body = JSON.stringify(
      Object.fromEntries(
        Object.keys(properties)
          .slice(0, 4)
          .map((name) => [name, value]),
      ),
    )
    const reply = await clinic.send(method, path.replace(/\{[^}]+\}/g, 'x'), body)
    expect([path, reply.status]).toEqual([path, 400])
    expect([path, reply.text.length < LARGEST_ANSWER]).toEqual([path, true])
  }
})
