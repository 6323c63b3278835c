import { maxLength, object, optional, pipe, string } from 'valibot'
import { describe, expect, test } from 'vitest'
import { NewKey } from '../src/access/model'
import { BookAppointment } from '../src/appointments/model'
import { CheckIn } from '../src/checkins/model'
import { DeclareAbsence } from '../src/days/affected'
import { NewDoctor, SetAvailability } from '../src/doctors/model'
import { parse } from '../src/http/failure'
import { fingerprintOf } from '../src/http/fingerprint'
import { fieldsOf } from '../src/http/input/fields'
import { UploadOptions } from '../src/imports/replies'
import { NewMedicalTest } from '../src/medical-tests/model'
import { NewPatient } from '../src/patients/model'

type Schema = Parameters<typeof parse>[0]

const printOf = (schema: Schema, path: string, input: unknown) =>
  fingerprintOf({ method: 'POST', path }, parse(schema, input), fieldsOf(schema))

const medicalTest = { test_id: 't1', patient_id: 'p1', clinic_id: 'c1', test_type: 'blood', result: '4.1' }
const ada = { name: 'Ada', phone: '+1 202 555 0101' }
const booking = { patient_id: 'p1', doctor_id: 'd1', date: '2027-03-14' }
const hours = { from: '09:00', to: '17:00', minutes_per_slot: 15 }
const reversed = (fields: object) => Object.fromEntries(Object.entries(fields).reverse())

/** The value of each is a promise to the retries that are under way while a version is deployed. */
const GOLDEN: [Schema, path: string, print: string, inputs: object[]][] = [
  [
    NewMedicalTest,
    '/tests',
    '2d5673d154339fd8d7ea22b6f203f9bc57db32d6ce21f99224298eed55c7d993',
    [medicalTest, reversed(medicalTest), { ...medicalTest, result: ' 4.1 ' }],
  ],
  [
    NewPatient,
    '/api/v1/patients',
    '71cc22357c5afba08e39fb4673d6261a95e619b68040688811d759eae1b925bc',
    [ada, reversed(ada), { ...ada, age: null, email: null }, { ...ada, shared_phone: false, gender: null }],
  ],
  [
    BookAppointment,
    '/api/v1/appointments',
    '8545f43e378f1800717a19add4cb8876b917f3924ea2b44e69f47916cc029066',
    [booking, reversed(booking), { ...booking, allow_another: false }, { ...booking, time_slot: null }],
  ],
  [
    BookAppointment,
    '/api/v1/appointments',
    '3f273dbdb18697a75e8dc1117469b529d9a0527b3972520e8e5b99bd46f129dd',
    [{ ...booking, allow_another: true }],
  ],
  [
    NewDoctor,
    '/api/v1/doctors',
    'dee8fdea57ee4ad988fccd36f07c131766a3b7b71f5bfdca2fd64bb2a76fff35',
    [
      { name: 'Grace', code: 'GH', working_hours: hours },
      { working_hours: reversed(hours), specialty: null, code: 'GH', name: 'Grace' },
    ],
  ],
  [
    SetAvailability,
    '/api/v1/doctors/d1/availability',
    'c1cebc2eaf1fb37b02cfd598ddc1cde2953cba7012c4ac075587610319e599ff',
    [
      { date: '2027-03-14', is_present: true, working_hours: null },
      { working_hours: null, capacity: null, notes: null, is_present: true, date: '2027-03-14' },
    ],
  ],
  [
    NewKey,
    '/api/v1/keys',
    '36ceed5fc07bd81c3f935423d11ae451c942ead15e987aee7b7b6c0d0a4b8ace',
    [{ scopes: ['tests:write', 'tests:read'], name: 'k', clinic_id: 'c1' }],
  ],
  [
    CheckIn,
    '/api/v1/checkins',
    '9eadc0e220c32d5e1304f9f0ee157d02982acb9b351b4f2a3237bd055d360857',
    [
      { appointment_id: 'a1', patient_id: 'p1' },
      { patient_id: 'p1', priority: 'normal', appointment_id: 'a1' },
    ],
  ],
  [
    DeclareAbsence,
    '/api/v1/doctors/d1/days/2027-03-14/absence',
    '0f4777bd05718aa395e39d47f43eb44248d2fd55f76da6be3dab5c17878c87fe',
    [
      { reason: 'ill', move_to: { date: '2027-03-15', doctor_id: 'd2' } },
      { move_to: { doctor_id: 'd2', date: '2027-03-15' }, reason: 'ill' },
    ],
  ],
]

test.each(GOLDEN)('the fingerprint at %#: one value for all spellings, whatever is deployed', (...golden) => {
  const [schema, path, print, inputs] = golden
  expect(inputs.map((input) => printOf(schema, path, input).current)).toEqual(inputs.map(() => print))
})

test('the fingerprint of an upload leaves out the usual mode and is pinned too', () => {
  const file = '0'.repeat(64)
  const upload = (options: object) =>
    fingerprintOf(
      { method: 'POST', path: '/api/v1/hospitals/bulk' },
      { ...parse(UploadOptions, options), file },
      fieldsOf(UploadOptions),
    ).current
  const usual = 'bb5e9b0537e406f1a1622a8201a8311e4378e15ce4fa951a1acf293e0b68785c'
  expect([upload({}), upload({ mode: 'strict' }), upload({ dry_run: 'false' })]).toEqual(Array(3).fill(usual))
  expect(upload({ mode: 'partial' })).toBe('ec39050c0e02659377d73d9094ff105ade750e01fdf6821cbb77a5e5ac7bd044')
})

describe('other requests have other fingerprints', () => {
  const key = { clinic_id: 'c1', name: 'k' }
  test.each<[string, Schema, object, object]>([
    [
      'another order of a list',
      NewKey,
      { ...key, scopes: ['*', 'admin'] },
      { ...key, scopes: ['admin', '*'] },
    ],
    [
      'null where it removes something',
      SetAvailability,
      { date: '2027-03-14', is_present: true },
      { date: '2027-03-14', is_present: true, working_hours: null },
    ],
    [
      'an option that is not the default',
      CheckIn,
      { appointment_id: 'a', patient_id: 'p' },
      { appointment_id: 'a', patient_id: 'p', priority: 'urgent' },
    ],
    [
      'a nested field',
      DeclareAbsence,
      { reason: 'ill', move_to: { date: '2027-03-15' } },
      { reason: 'ill', move_to: { date: '2027-03-15', doctor_id: 'd' } },
    ],
    [
      'values that changed places',
      BookAppointment,
      booking,
      { ...booking, patient_id: 'd1', doctor_id: 'p1' },
    ],
  ])('%s', (_, schema, one, other) => {
    expect(printOf(schema, '/', one).current).not.toBe(printOf(schema, '/', other).current)
  })
})

test('a field that a later version adds, renames no request; the order of its schema does not either', () => {
  const before = object({ a: string(), b: optional(string()) })
  const after = object({ c: optional(string(), 'x'), b: optional(pipe(string(), maxLength(9))), a: string() })
  const input = { a: '1', b: '2' }
  expect(printOf(after, '/', input).current).toBe(printOf(before, '/', input).current)
  expect(printOf(after, '/', { ...input, c: 'x' }).current).toBe(printOf(before, '/', input).current)
})

test('the forms of earlier versions are known, with each default and without it', () => {
  const { earlier } = printOf(NewPatient, '/', ada)
  expect(new Set(earlier()).size).toBe(earlier().length)
  expect(earlier().length).toBeGreaterThanOrEqual(16)
})
