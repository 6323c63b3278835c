import { index, integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { hasPhones } from '../lib/phone'
import { component, list, text } from '../lib/schema'
import { iso, TimeZone } from '../lib/time'
import { GRANTED_BY_NAME, SCOPES } from './permissions'

export const clinics = sqliteTable('clinics', {
  id: textColumn('id').primaryKey(),
  name: textColumn('name').notNull(),
  timeZone: textColumn('time_zone').notNull(),
  country: textColumn('country').notNull(),
  createdAt: integer('created_at').notNull(),
  opId: textColumn('op_id').notNull(),
})

/** `secretHash` is SHA-256 of the 32 random bytes that only the caller knows. */
export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    scopes: textColumn('scopes', { mode: 'json' }).$type<string[]>().notNull(),
    secretHash: textColumn('secret_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    revokedAt: integer('revoked_at'),
    opId: textColumn('op_id').notNull().unique(),
  },
  (t) => [index('api_keys_by_clinic').on(t.clinicId, t.id)],
)

const Scope = v.picklist(['*', ...Object.keys(SCOPES), ...Object.keys(GRANTED_BY_NAME)])

const ClinicId = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'must be 1 to 64 letters, digits, dots, dashes or underscores, and start with a letter or digit',
  ),
)

const COUNTRY_CODE = /^[A-Z]{2}$/
/** Codes that people use for a country and that ISO 3166 gives it not. */
const MEANT: Record<string, string> = { UK: 'GB', EL: 'GR', EN: 'GB' }
function unknownCountry(code: string): string {
  const hint = MEANT[code] ? `; did you mean ${MEANT[code]}?` : ', like US'
  return `must be a country of ISO 3166 that has phone numbers${hint}`
}

export const NewClinic = component('NewClinic', {
  id: ClinicId,
  name: text(200),
  time_zone: TimeZone,
  /** A phone number without a country code belongs to this country. */
  country: v.optional(
    v.pipe(
      v.string(),
      v.regex(COUNTRY_CODE, 'must be two capital letters, like US'),
      v.check(
        (code) => !COUNTRY_CODE.test(code) || hasPhones(code),
        ({ input }) => unknownCountry(input),
      ),
    ),
    'US',
  ),
})
export type NewClinic = v.InferOutput<typeof NewClinic>

export const Clinic = component('Clinic', {
  id: v.string(),
  name: v.string(),
  time_zone: v.string(),
  country: v.string(),
  created_at: v.string(),
})
export type Clinic = v.InferOutput<typeof Clinic>

export const toClinic = (row: typeof clinics.$inferSelect): Clinic => ({
  id: row.id,
  name: row.name,
  time_zone: row.timeZone,
  country: row.country,
  created_at: iso(row.createdAt),
})

export const NewKey = component('NewKey', {
  clinic_id: ClinicId,
  name: text(200),
  scopes: list(Scope, 50, 'scope'),
})
export type NewKey = v.InferOutput<typeof NewKey>

/** The only reply that contains the secret. */
export const CreatedKey = component('CreatedKey', {
  id: v.string(),
  key: v.string(),
  clinic_id: v.string(),
  scopes: v.array(v.string()),
})
export type CreatedKey = v.InferOutput<typeof CreatedKey>

export const Key = component('Key', {
  id: v.string(),
  clinic_id: v.string(),
  name: v.string(),
  scopes: v.array(v.string()),
  created_at: v.string(),
  revoked_at: v.nullable(v.string()),
})
export type Key = v.InferOutput<typeof Key>

export const toKey = (row: typeof apiKeys.$inferSelect): Key => ({
  id: row.id,
  clinic_id: row.clinicId,
  name: row.name,
  scopes: row.scopes,
  created_at: iso(row.createdAt),
  revoked_at: row.revokedAt === null ? null : iso(row.revokedAt),
})

export const ListClinics = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListClinics = v.InferOutput<typeof ListClinics>

export const ListKeys = v.object({
  clinic_id: v.optional(ClinicId),
  limit: limit(100),
  cursor: cursor(v.string()),
})
export type ListKeys = v.InferOutput<typeof ListKeys>
