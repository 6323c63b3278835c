import { sql } from 'drizzle-orm'
import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text as textColumn,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { PhoneText, phoneSearched } from '../lib/phone'
import { component, lines, list, maxCharacters, text } from '../lib/schema'
import { LocalDate, yearsBetween } from '../lib/time'

/**
 * Two unique indexes keep two patients from being one. `patients_identity`: one row for one name on one
 * phone, unless age, birth date or gender tell two of that name apart; then they have different numbers as
 * `namesake`. `phoneOwner` is the phone for the first patient with it and NULL for those who share it, so a
 * second name on a phone is refused unless it shares the phone. `folding`: by which version of the rule
 * `nameFolded` was made.
 *
 * Triggers keep two more tables in step with this one (migrations/): `patients_search`, which `search.ts`
 * describes, and `patient_identifiers`.
 */
export const patients = sqliteTable(
  'patients',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    nameFolded: textColumn('name_folded').notNull(),
    phone: textColumn('phone').notNull(),
    phoneOwner: textColumn('phone_owner'),
    /** As it was said at `ageAt`. NULL beside a birth date. */
    age: integer('age'),
    gender: textColumn('gender'),
    email: textColumn('email'),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
    genderFolded: textColumn('gender_folded'),
    folding: integer('folding').notNull().default(1),
    namesake: integer('namesake').notNull().default(0),
    /** Counts the changes of the record: its ETag. */
    version: integer('version').notNull().default(1),
    /** The operation that changed the record last. */
    changeOp: textColumn('change_op'),
    birthDate: textColumn('birth_date'),
    /** NULL where the age was said at `createdAt`. */
    ageAt: integer('age_at'),
    language: textColumn('language'),
    notes: textColumn('notes'),
    contactOk: integer('contact_ok', { mode: 'boolean' }),
    /** NULL where there are none. */
    identifiers: textColumn('identifiers', { mode: 'json' }).$type<Identifier[]>(),
  },
  (t) => [
    uniqueIndex('patients_identity').on(t.clinicId, t.phone, t.nameFolded, t.namesake),
    uniqueIndex('patients_phone_owner').on(t.clinicId, t.phoneOwner),
    index('patients_outdated').on(t.clinicId, t.phone).where(sql`folding < 2`),
  ],
)

/** Whose identifier it is, found by its value in lower case (of ASCII). WITHOUT ROWID. */
export const patientIdentifiers = sqliteTable(
  'patient_identifiers',
  {
    clinicId: textColumn('clinic_id').notNull(),
    lowerValue: textColumn('lower_value').notNull(),
    system: textColumn('system').notNull(),
    value: textColumn('value').notNull(),
    patientId: textColumn('patient_id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.clinicId, t.lowerValue, t.system, t.value] })],
)

export const AGE_MAX = 150
export const AGE_RULE = `must be a whole number from 0 to ${AGE_MAX}`

/** As browsers accept it. Names of domains have no case, so they are stored in lower case. */
export const Email = v.pipe(
  v.string(),
  v.trim(),
  v.rfcEmail('must be an e-mail address'),
  maxCharacters(254),
  v.transform((email) => email.replace(/@.*$/, (domain) => domain.toLowerCase())),
)

const Age = v.pipe(v.number(), v.integer(AGE_RULE), v.minValue(0, AGE_RULE), v.maxValue(AGE_MAX, AGE_RULE))

/** An older one is a mistake. */
const BORN_FIRST = '1850-01-01'
export const BirthDate = v.pipe(
  LocalDate,
  v.check((date) => !(date < BORN_FIRST), `must not be before ${BORN_FIRST}`),
)

const LANGUAGE_RULE = 'must be a language tag like en, pt-BR or zh-Hans'
const LANGUAGE_SHAPE = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,7}$/

/** BCP 47, stored in its canonical form: `PT-br` is `pt-BR`. */
export const Language = v.pipe(
  v.string(),
  v.regex(LANGUAGE_SHAPE, LANGUAGE_RULE),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const tag = canonicalLanguage(dataset.value)
    if (tag !== null) return tag
    addIssue({ message: LANGUAGE_RULE })
    return NEVER
  }),
)

function canonicalLanguage(tag: string): string | null {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? null
  } catch {
    return null
  }
}

export const NOTES_CHARACTERS_MAX = 2_000
const IDENTIFIERS_MAX = 20

/** What another system calls the patient. `system` names that system, or the kind of number. */
const Identifier = v.object({
  system: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9._:/-]{1,64}$/, 'must be 1 to 64 of the characters a-z 0-9 . _ : / -'),
  ),
  value: v.pipe(
    text(100),
    v.description(
      'Kept as it is written: 123-45-6789 and 123456789 are two. A search ignores the case of ASCII letters.',
    ),
  ),
})
export type Identifier = v.InferOutput<typeof Identifier>

const Identifiers = v.pipe(
  list(Identifier, IDENTIFIERS_MAX, 'identifier', 0),
  v.check((all) => {
    const told = all.map(({ system, value }) => `${system} ${value}`)
    return new Set(told).size === told.length
  }, 'must name each identifier once'),
)

export const NewPatient = component('NewPatient', {
  name: text(200),
  phone: PhoneText,
  age: v.nullish(Age, null),
  gender: v.nullish(text(50), null),
  email: v.nullish(Email, null),
  /** Families share phones: true says that another patient with this phone is another person. */
  shared_phone: v.optional(v.boolean(), false),
  // Without defaults: an earlier version knew none of them, so they are in none of its fingerprints.
  birth_date: v.optional(BirthDate),
  identifiers: v.optional(Identifiers),
  language: v.optional(Language),
  /** For the desk. */
  notes: v.optional(lines(NOTES_CHARACTERS_MAX)),
  /** Whether the patient may be called and written to; null is unknown. */
  contact_ok: v.optional(v.boolean()),
})
export type NewPatient = v.InferOutput<typeof NewPatient>

/** Null removes what may be missing. Everything that is left out stays. */
export const ChangePatient = v.pipe(
  v.object({
    name: v.optional(text(200)),
    phone: v.optional(PhoneText),
    age: v.optional(v.nullable(Age)),
    gender: v.optional(v.nullable(text(50))),
    email: v.optional(v.nullable(Email)),
    shared_phone: v.optional(v.boolean(), false),
    birth_date: v.optional(v.nullable(BirthDate)),
    identifiers: v.optional(v.nullable(Identifiers)),
    language: v.optional(v.nullable(Language)),
    notes: v.optional(v.nullable(lines(NOTES_CHARACTERS_MAX))),
    contact_ok: v.optional(v.nullable(v.boolean())),
  }),
  v.check(
    ({ shared_phone, ...wanted }) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangePatient' }),
)
export type ChangePatient = v.InferOutput<typeof ChangePatient>

/** `?phone=` in any spelling. */
export const FindPatient = v.object({ phone: phoneSearched() })
export type FindPatient = v.InferOutput<typeof FindPatient>

const PATIENT = {
  id: v.string(),
  name: v.string(),
  age: v.nullable(v.number()),
  gender: v.nullable(v.string()),
  phone: v.string(),
  email: v.nullable(v.string()),
  created_at: v.string(),
  birth_date: v.nullable(v.string()),
  identifiers: v.array(v.object({ system: v.string(), value: v.string() })),
  language: v.nullable(v.string()),
  /** Null for a key that may not write patients. */
  notes: v.nullable(v.string()),
  contact_ok: v.nullable(v.boolean()),
}
export const Patient = component('Patient', PATIENT)
export type Patient = v.InferOutput<typeof Patient>

/** A patient who was registered before, unchanged. `differs`: the fields that the request says otherwise. */
export const KnownPatient = component('KnownPatient', { ...PATIENT, differs: v.array(v.string()) })

/** The record in use of a patient whose record was merged into it, asked for by the old id. */
export const MergedPatient = component('MergedPatient', { ...PATIENT, merged_into: v.string() })

/** What a key without `patients:read` gets. */
export const RegisteredPatient = component('RegisteredPatient', { id: v.string(), created: v.boolean() })

export const etagOf = (version: number): string => `"${version}"`

export type PatientRow = typeof patients.$inferSelect

/** `today`: the date at the clinic. An age without a birth date is as it was said. */
export const ageOf = ({ age, birthDate }: Pick<PatientRow, 'age' | 'birthDate'>, today: string) =>
  birthDate === null ? age : yearsBetween(birthDate, today)
