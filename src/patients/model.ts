import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { PhoneText } from '../lib/phone'
import { component, maxCharacters, text } from '../lib/schema'
import { iso } from '../lib/time'

/**
 * Two unique indexes keep two patients from being one. `patients_identity`: one row for one name on one
 * phone, unless age or gender tell two of that name apart; then they have different numbers as `namesake`.
 * `phoneOwner` is the phone for the first patient with it and NULL for those who share it, so a second name
 * on a phone is refused unless it shares the phone. `folding`: by which version of the rule `nameFolded` was
 * made.
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
  },
  (t) => [
    uniqueIndex('patients_identity').on(t.clinicId, t.phone, t.nameFolded, t.namesake),
    uniqueIndex('patients_phone_owner').on(t.clinicId, t.phoneOwner),
    index('patients_outdated').on(t.clinicId, t.phone).where(sql`folding < 2`),
  ],
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

export const NewPatient = component('NewPatient', {
  name: text(200),
  phone: PhoneText,
  age: v.nullish(Age, null),
  gender: v.nullish(text(50), null),
  email: v.nullish(Email, null),
  /** Families share phones: true says that another patient with this phone is another person. */
  shared_phone: v.optional(v.boolean(), false),
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
  }),
  v.check(
    ({ shared_phone, ...wanted }) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangePatient' }),
)
export type ChangePatient = v.InferOutput<typeof ChangePatient>

/** `?phone=` in any spelling. */
export const FindPatient = v.object({ phone: text(100) })
export type FindPatient = v.InferOutput<typeof FindPatient>

export const Patient = component('Patient', {
  id: v.string(),
  name: v.string(),
  age: v.nullable(v.number()),
  gender: v.nullable(v.string()),
  phone: v.string(),
  email: v.nullable(v.string()),
  created_at: v.string(),
})
export type Patient = v.InferOutput<typeof Patient>

/** What a key without `patients:read` gets. */
export const RegisteredPatient = component('RegisteredPatient', { id: v.string(), created: v.boolean() })

/** A record, and the ETag that a change of it must name. */
export interface Versioned {
  patient: Patient
  etag: string
}

export const toVersioned = (row: PatientRow): Versioned => ({
  patient: toPatient(row),
  etag: etagOf(row.version),
})

export const etagOf = (version: number): string => `"${version}"`

export type PatientRow = typeof patients.$inferSelect

export const toPatient = (row: PatientRow): Patient => ({
  id: row.id,
  name: row.name,
  age: row.age,
  gender: row.gender,
  phone: row.phone,
  email: row.email,
  created_at: iso(row.createdAt),
})
