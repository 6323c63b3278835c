import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { ClinicSettings } from '../context'
import { cursor, limit } from '../lib/page'
import { hasPhones } from '../lib/phone'
import { component, list, text } from '../lib/schema'
import { IsoInstant, iso, TimeZone } from '../lib/time'
import { GRANTED_BY_NAME, heldScopes, SCOPES } from './permissions'
import { scopesOfRole } from './roles'

export const clinics = sqliteTable('clinics', {
  id: textColumn('id').primaryKey(),
  name: textColumn('name').notNull(),
  timeZone: textColumn('time_zone').notNull(),
  country: textColumn('country').notNull(),
  createdAt: integer('created_at').notNull(),
  opId: textColumn('op_id').notNull(),
  settings: textColumn('settings', { mode: 'json' }).$type<ClinicSettings>().notNull().default({}),
  /** Counts the changes of the record: its ETag. */
  version: integer('version').notNull().default(1),
  /** The operation that changed the record last. */
  changeOp: textColumn('change_op'),
})

/**
 * `secretHash` is SHA-256 of the 32 random bytes that only the caller knows. A key of a person has the scopes
 * of the person's role; `scopes` repeats them as they were when the key was made or the role was last set,
 * for a day that asks whether its followers may still follow.
 */
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
    staffId: textColumn('staff_id'),
    /** From this instant on the key is as if it were revoked. */
    expiresAt: integer('expires_at'),
  },
  (t) => [
    index('api_keys_by_clinic').on(t.clinicId, t.id),
    index('api_keys_by_staff').on(t.staffId).where(sql`staff_id IS NOT NULL`),
  ],
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

/** A phone number without a country code belongs to this country. */
const Country = v.pipe(
  v.string(),
  v.regex(COUNTRY_CODE, 'must be two capital letters, like US'),
  v.check(
    (code) => !COUNTRY_CODE.test(code) || hasPhones(code),
    ({ input }) => unknownCountry(input),
  ),
)

export const NewClinic = component('NewClinic', {
  id: ClinicId,
  name: text(200),
  time_zone: TimeZone,
  country: v.optional(Country, 'US'),
})
export type NewClinic = v.InferOutput<typeof NewClinic>

const OFFER_MINUTES_MAX = 24 * 60
const OfferMinutes = v.pipe(
  v.number(),
  v.integer('must be a whole number of minutes'),
  v.minValue(1, 'must be at least 1'),
  v.maxValue(OFFER_MINUTES_MAX, `must be at most ${OFFER_MINUTES_MAX}`),
)

/** What is left out stays. Where a setting is null, the deployment decides. */
export const ChangeClinic = v.pipe(
  v.object({
    name: v.optional(text(200)),
    time_zone: v.optional(TimeZone),
    country: v.optional(Country),
    settings: v.optional(
      v.object({
        allow_another: v.optional(v.boolean()),
        board_initials: v.optional(v.nullable(v.boolean())),
        waitlist_offer_minutes: v.optional(v.nullable(OfferMinutes)),
      }),
    ),
  }),
  v.check(
    ({ settings, ...wanted }) =>
      [...Object.values(wanted), ...Object.values(settings ?? {})].some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangeClinic' }),
)
export type ChangeClinic = v.InferOutput<typeof ChangeClinic>

/**
 * `allow_another`: what a booking, a walk-in, a move or a place in a waitlist means that does not say it.
 * `board_initials`: whether boards show initials of patients. `waitlist_offer_minutes`: how long an offer
 * lasts for patients who join a waitlist from then on. Null: as the deployment says.
 */
export const Clinic = component('Clinic', {
  id: v.string(),
  name: v.string(),
  time_zone: v.string(),
  country: v.string(),
  settings: v.object({
    allow_another: v.boolean(),
    board_initials: v.nullable(v.boolean()),
    waitlist_offer_minutes: v.nullable(v.number()),
  }),
  created_at: v.string(),
})
export type Clinic = v.InferOutput<typeof Clinic>

export type ClinicRow = typeof clinics.$inferSelect

export const toClinic = (row: ClinicRow): Clinic => ({
  id: row.id,
  name: row.name,
  time_zone: row.timeZone,
  country: row.country,
  settings: {
    allow_another: row.settings.allowAnother ?? false,
    board_initials: row.settings.boardInitials ?? null,
    waitlist_offer_minutes: row.settings.waitlistOfferMinutes ?? null,
  },
  created_at: iso(row.createdAt),
})

/** An instant after which the key opens nothing; null or absent: never. */
const ExpiresAt = v.nullable(IsoInstant)

export const NewKey = component('NewKey', {
  /** Without it, the clinic of the key that asks. */
  clinic_id: v.optional(ClinicId),
  name: text(200),
  scopes: list(Scope, 50, 'scope'),
  expires_at: v.optional(ExpiresAt, null),
})
export type NewKey = v.InferOutput<typeof NewKey>

/** Null: the key never expires. */
export const ChangeKey = component('ChangeKey', { expires_at: ExpiresAt })
export type ChangeKey = v.InferOutput<typeof ChangeKey>

/** The only reply that contains the secret. `staff_id`: the person whose key this is. */
export const CreatedKey = component('CreatedKey', {
  id: v.string(),
  key: v.string(),
  clinic_id: v.string(),
  scopes: v.array(v.string()),
  staff_id: v.nullable(v.string()),
  expires_at: v.nullable(v.string()),
})
export type CreatedKey = v.InferOutput<typeof CreatedKey>

export const Key = component('Key', {
  id: v.string(),
  clinic_id: v.string(),
  name: v.string(),
  scopes: v.array(v.string()),
  staff_id: v.nullable(v.string()),
  created_at: v.string(),
  expires_at: v.nullable(v.string()),
  revoked_at: v.nullable(v.string()),
})
export type Key = v.InferOutput<typeof Key>

export type KeyRow = typeof apiKeys.$inferSelect

/** `role`: of the person whose key it is; null for a key of no person. */
export interface KeyOfRole {
  key: KeyRow
  role: string | null
}

/** What a stored key may do now. */
export const scopesOfKey = ({ key, role }: KeyOfRole): readonly string[] =>
  role === null ? heldScopes(key.scopes) : scopesOfRole(role)

export const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))

export const toKey = ({ key, role }: KeyOfRole): Key => ({
  id: key.id,
  clinic_id: key.clinicId,
  name: key.name,
  scopes: [...(role === null ? key.scopes : scopesOfRole(role))],
  staff_id: key.staffId,
  created_at: iso(key.createdAt),
  expires_at: isoOrNull(key.expiresAt),
  revoked_at: isoOrNull(key.revokedAt),
})

export const ListClinics = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListClinics = v.InferOutput<typeof ListClinics>

export const ListKeys = v.object({
  clinic_id: v.optional(ClinicId),
  limit: limit(100),
  cursor: cursor(v.string()),
})
export type ListKeys = v.InferOutput<typeof ListKeys>
