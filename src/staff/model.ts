import { index, integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { ROLE_NAMES } from '../access/roles'
import { cursor, limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { iso } from '../lib/time'

/** The people of a clinic. Who has left stays, so that the audit can still be read. */
export const staff = sqliteTable(
  'staff',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    role: textColumn('role').notNull(),
    createdAt: integer('created_at').notNull(),
    leftAt: integer('left_at'),
    opId: textColumn('op_id').notNull().unique(),
    /** Counts the changes of the record: its ETag. */
    version: integer('version').notNull().default(1),
    /** The operation that changed the record last. */
    changeOp: textColumn('change_op'),
  },
  (t) => [index('staff_by_clinic').on(t.clinicId, t.id)],
)

/** `hash` is SHA-256 of the token in the link. `usedOp`: the operation that exchanged it for a key. */
export const signInLinks = sqliteTable(
  'sign_in_links',
  {
    hash: textColumn('hash').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    staffId: textColumn('staff_id').notNull(),
    expiresAt: integer('expires_at').notNull(),
    opId: textColumn('op_id').notNull().unique(),
    usedOp: textColumn('used_op'),
  },
  (t) => [index('sign_in_links_expiry').on(t.clinicId, t.expiresAt)],
)

const RoleName = v.picklist(ROLE_NAMES)

export const NewStaff = component('NewStaff', { name: text(200), role: RoleName })
export type NewStaff = v.InferOutput<typeof NewStaff>

/** What is left out stays. */
export const ChangeStaff = v.pipe(
  v.object({ name: v.optional(text(200)), role: v.optional(RoleName) }),
  v.check(
    (wanted) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangeStaff' }),
)
export type ChangeStaff = v.InferOutput<typeof ChangeStaff>

export const Staff = component('Staff', {
  id: v.string(),
  name: v.string(),
  role: v.string(),
  created_at: v.string(),
  left_at: v.nullable(v.string()),
})
export type Staff = v.InferOutput<typeof Staff>

export type StaffRow = typeof staff.$inferSelect

export const toStaff = (row: StaffRow): Staff => ({
  id: row.id,
  name: row.name,
  role: row.role,
  created_at: iso(row.createdAt),
  left_at: row.leftAt === null ? null : iso(row.leftAt),
})

export const ListStaff = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListStaff = v.InferOutput<typeof ListStaff>

const KEY_DAYS_MAX = 3_650
const DAYS_RULE = `must be a whole number from 1 to ${KEY_DAYS_MAX}, or null`

/** `name`: what the key is for, like the device that has it. Without `expires_in_days` it never expires. */
export const NewStaffKey = component('NewStaffKey', {
  name: v.optional(text(200), 'staff'),
  expires_in_days: v.nullish(
    v.pipe(v.number(), v.integer(DAYS_RULE), v.minValue(1, DAYS_RULE), v.maxValue(KEY_DAYS_MAX, DAYS_RULE)),
    null,
  ),
})
export type NewStaffKey = v.InferOutput<typeof NewStaffKey>

/** `url` is the path that a console opens. The token in it is shown in this reply only. */
export const SignInLink = component('SignInLink', { url: v.string(), expires_at: v.string() })
export type SignInLink = v.InferOutput<typeof SignInLink>

const TOKEN_CHARACTERS_MAX = 200

export const SignIn = component('SignIn', {
  token: text(TOKEN_CHARACTERS_MAX),
})
export type SignIn = v.InferOutput<typeof SignIn>

/** The key of this session; it is shown in this reply only. */
export const SignedIn = component('SignedIn', {
  key: v.string(),
  clinic_id: v.string(),
  staff_id: v.string(),
  role: v.string(),
  expires_at: v.string(),
})
export type SignedIn = v.InferOutput<typeof SignedIn>
