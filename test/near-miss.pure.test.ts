import * as v from 'valibot'
import { expect, test } from 'vitest'
import { fieldsOf } from '../src/http/input/fields'
import { sortFields } from '../src/http/input/strangers'

const schema = v.pipe(
  v.object({
    name: v.string(),
    age: v.nullish(v.number(), null),
    to: v.optional(v.string()),
    q: v.optional(v.string()),
    date: v.optional(v.string()),
    email: v.optional(v.string()),
    limit: v.optional(v.string(), '10'),
    shared_phone: v.optional(v.boolean(), false),
    idempotency_key: v.optional(v.string()),
    hours: v.nullish(v.object({ minutes_per_slot: v.number(), from: v.optional(v.string()) })),
    people: v.optional(v.array(v.object({ gender: v.optional(v.string()) }))),
  }),
  v.check(() => true),
)
const fields = fieldsOf(schema)
const meant = (name: string) => sortFields({ [name]: 1 }, fields).strangers[0]?.meant

test.each([
  ['emial', 'email'],
  ['Email', 'email'],
  ['EMAIL', 'email'],
  ['e-mail', 'email'],
  ['mail', 'email'],
  ['emaill', 'email'],
  ['Age', 'age'],
  ['aeg', 'age'],
  ['ag', 'age'],
  ['agee', 'age'],
  ['limt', 'limit'],
  ['Limits', 'limit'],
  ['ilmit', 'limit'],
  ['sharedPhone', 'shared_phone'],
  ['SharedPhone', 'shared_phone'],
  ['shared-phone', 'shared_phone'],
  ['shard_phon', 'shared_phone'],
  ['idempotencyKey', 'idempotency_key'],
  ['idempotenty-key', 'idempotency_key'],
  ['dat', 'date'],
  ['Ｎame', 'name'],
  ['nam\u00e9', 'name'],
  ['email\u200b', 'email'],
  ['Q', 'q'],
  ['TO', 'to'],
])('%j is a near miss of %s', (name, known) => {
  expect(meant(name)).toBe(known)
})

test.each([
  'page',
  'sage',
  'rage',
  'at',
  'ot',
  'o',
  'p',
  'x',
  'id',
  'dob',
  'gate',
  'game',
  'same',
  'agent',
  'male',
])('%j resembles no field by more than chance', (name) => {
  expect(meant(name)).toBeNull()
})

test.each(['__proto__', 'constructor', 'toString', '', ' ', '\u0000', '.', 'a'.repeat(1e6), '💊'])(
  'the name %j is a stranger like any other',
  (name) => {
    const input = JSON.parse(`{${JSON.stringify(name)}: 1, "name": "n"}`)
    const { known, strangers } = sortFields(input, fields)
    expect(known).toEqual({ name: 'n' })
    expect(strangers).toHaveLength(1)
    expect(strangers[0]?.name).toMatch(/^[A-Za-z0-9_.?-]{0,43}$/)
  },
)

test('a field that is there is not what another one meant', () => {
  const { strangers } = sortFields({ email: 'e', Email: 'E', emial: 'x', age: null, Age: 3 }, fields)
  expect(strangers).toEqual([
    { name: 'Email', meant: null },
    { name: 'emial', meant: null },
    { name: 'Age', meant: 'age' },
  ])
})

test('strangers inside of objects and lists are named by their path', () => {
  const input = { hours: { minutesPerSlot: 1, form: 2 }, people: [{ gender: 'f' }, { gendre: 'm', x: 1 }] }
  const { known, strangers } = sortFields(input, fields)
  expect(known).toEqual({ hours: {}, people: [{ gender: 'f' }, {}] })
  expect(strangers).toEqual([
    { name: 'hours.minutesPerSlot', meant: 'hours.minutes_per_slot' },
    { name: 'hours.form', meant: 'hours.from' },
    { name: 'people.1.gendre', meant: 'people.1.gender' },
    { name: 'people.1.x', meant: null },
  ])
})

test('null is no field where it is no value; where it is one, or the field is required, it stays', () => {
  const { known } = sortFields(
    { name: null, age: null, email: null, shared_phone: null, hours: null },
    fields,
  )
  expect(known).toEqual({ name: null, age: null, hours: null })
})

test('the fields of a union are those of all its options', () => {
  const either = v.variant('kind', [
    v.object({ kind: v.literal('a'), alpha: v.string() }),
    v.object({ kind: v.literal('b'), beta: v.string() }),
  ])
  expect([...fieldsOf(either).keys()]).toEqual(['kind', 'alpha', 'beta'])
  expect([...fieldsOf(v.optional(v.union([either, v.strictObject({ c: v.any() })]))).keys()]).toHaveLength(4)
})

test('a hundred thousand unknown fields cost no more than a hundred', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`field_${n}`, n]))
  expect(sortFields({ ...many, name: 'n' }, fields)).toMatchObject({
    known: { name: 'n' },
    strangers: { length: 100 },
  })
})
