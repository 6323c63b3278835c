import { sql } from 'drizzle-orm'
import { createMiddleware } from 'hono/factory'
import { uniqueSymbol } from 'hono-openapi'
import type { App, Ctx } from '../context'
import { notFound, Problem } from '../problem'

/**
 * What an API key may do: each route names the scopes that it `needs`. `*` in a request for a new key means
 * all of these; the key stores their names, so that a scope that is added later is not given to it.
 */
export const SCOPES = {
  'patients:read': 'read patients and their imports',
  'patients:write':
    'register, change and merge patients, read the notes about them; ' +
    'import, repair, cancel and resume imports of patients',
  'doctors:read': 'read doctors and their availability',
  'doctors:write': 'add and change doctors, set availability, declare absences',
  'appointments:read': 'read appointments and the figures of a day',
  'appointments:write':
    'book, hold, move and cancel, read the notes of visits, use the waitlist, declare absences',
  'checkins:read': 'read and follow queues, issue tickets',
  'checkins:write': 'check in, walk in, call and serve, undo that for a minute',
  'tests:read': 'read records of medical tests and their imports',
  'tests:write': 'store records of medical tests; import, repair, cancel and resume imports of them',
  'webhooks:write': 'send webhook events',
  'events:read': 'read webhook events',
  'hospitals:read': 'read hospitals and their imports',
  'hospitals:write': 'import, repair, cancel and resume imports of hospitals, activate batches',
  'audit:read': 'read the audit and the events of a day',
  'service:read': 'ask whether the stores of the service answer',
} as const

/** Scopes that reach beyond the usual work, or beyond one clinic; `*` never includes them. */
export const GRANTED_BY_NAME = {
  'appointments:backdate': 'record a visit afterwards: book a date that is over, or a slot that has begun',
  'patients:erase': 'erase patients for good',
  'checkins:amend': 'with checkins:write: undo a check-in or a completed visit of more than a minute ago',
  'clinics:*': 'read and store medical tests of any clinic; as an admin, open clinics and administer any',
  admin: 'all of clinic:admin; grant and revoke admin keys; copy and repair the days of the own clinic',
  'clinic:admin': 'manage staff, API keys and settings of the own clinic; backdate, amend and erase',
} as const

export type Scope = keyof typeof SCOPES | keyof typeof GRANTED_BY_NAME

/** What `*` meant when keys still stored it. No scope is ever added here. */
const STORED_STAR: readonly string[] = [
  ...['patients:read', 'patients:write', 'doctors:read', 'doctors:write'],
  ...['appointments:read', 'appointments:write', 'checkins:read', 'checkins:write'],
  ...['tests:read', 'tests:write', 'webhooks:write', 'events:read'],
  ...['hospitals:read', 'hospitals:write', 'audit:read', 'service:read'],
]

/** The scopes of a stored key. */
export const heldScopes = (stored: readonly string[]): string[] => expand(stored, STORED_STAR)

/** The scopes that a new key stores. */
export const wantedScopes = (wanted: readonly string[]): string[] => expand(wanted, Object.keys(SCOPES))

const expand = (scopes: readonly string[], star: readonly string[]): string[] => [
  ...new Set(scopes.flatMap((scope) => (scope === '*' ? star : [scope]))),
]

/** Refuses a request whose key does not have all these scopes. */
export const needs = (...scopes: Scope[]) =>
  Object.assign(
    createMiddleware<App>((c, next) => {
      const ctx = c.get('ctx')
      const missing = scopes.find((scope) => !mayUse(ctx, scope))
      if (missing !== undefined)
        throw new Problem('scope_missing', `This request needs an API key with the scope ${missing}`)
      return next()
    }),
    {
      [uniqueSymbol]: {
        spec: { security: [{ bearer: [] }, { apiKey: [] }], 'x-scope': scopes.join('` and `') },
      },
    },
  )

/** Whether the caller's key has this scope, by itself or by one that includes it. */
export const mayUse = (ctx: Ctx, scope: Scope): boolean => holds(ctx, scope)

const holds = ({ actor: { scopes } }: Ctx, scope: string): boolean =>
  [scope, ...(INCLUDED_IN[scope] ?? [])].some((one) => scopes.includes(one))

/** Who manages a clinic may do, and grant, what was added after the own key was made. */
const INCLUDED_IN: Partial<Record<string, string[]>> = {
  'clinic:admin': ['admin'],
  'appointments:backdate': ['clinic:admin', 'admin'],
  'checkins:amend': ['clinic:admin', 'admin'],
  'patients:erase': ['clinic:admin', 'admin'],
}

/** A key may use its own clinic, or with `clinics:*` any. Every other clinic is 404. */
export function requireClinic(ctx: Ctx, clinicId: string): void {
  if (clinicId !== ctx.clinic.id && !mayUse(ctx, 'clinics:*')) throw notFound('clinic_id: clinic')
}

/**
 * An administrator reaches its own clinic; with `admin` and `clinics:*` any. `clinics:*` beside
 * `clinic:admin` is about medical tests, and reaches no other clinic here.
 */
export const administersAll = (ctx: Ctx): boolean => mayUse(ctx, 'admin') && mayUse(ctx, 'clinics:*')

export function requireAdministered(ctx: Ctx, clinicId: string): void {
  if (clinicId !== ctx.clinic.id && !administersAll(ctx)) throw notFound('clinic_id: clinic')
}

/**
 * A key may give, and take away by a revocation, only what it holds itself. Only an admin gives and takes
 * what reaches beyond the work of one clinic.
 */
export function requireScopes(ctx: Ctx, scopes: readonly string[], purpose: string): void {
  const missing = missingOf(ctx, scopes)
  if (missing !== undefined)
    throw new Problem('scope_missing', `${purpose} needs an API key with the scope ${missing}`)
}

/** Whether `requireScopes` lets this pass. */
export const mayGrant = (ctx: Ctx, scopes: readonly string[]): boolean => missingOf(ctx, scopes) === undefined

const missingOf = (ctx: Ctx, scopes: readonly string[]): string | undefined =>
  scopes.some(isBeyond) && !holds(ctx, 'admin') ? 'admin' : scopes.find((scope) => !holds(ctx, scope))

const isBeyond = (scope: string): boolean => scope === 'admin' || scope === 'clinics:*'

/**
 * Who revokes a key must hold its scopes and reach its clinic, and may not take the last admin key away. That
 * is decided within the statement, because two admins may revoke each other's key at once. An admin key is
 * followed by another one of its clinic that reaches as far and never expires, or by the key of the caller.
 */
export const isNotLastAdmin = (ctx: Ctx) => sql`(${lacks('api_keys', 'admin')} OR EXISTS (
  SELECT 1 FROM api_keys AS other
  WHERE other.id <> api_keys.id AND other.revoked_at IS NULL AND other.expires_at IS NULL
    AND NOT ${lacks('other', 'admin')}
    AND (other.clinic_id = api_keys.clinic_id OR other.id = ${ctx.actor.keyId})
    AND (${lacks('api_keys', 'clinics:*')} OR NOT ${lacks('other', 'clinics:*')})))`

/**
 * A person of `staff` may leave, or get another role: no manager, or not the last one. A manager is followed
 * by another one who holds a key in use, or by a key of the clinic that is no person’s, never expires and has
 * `admin` or `clinic:admin`. Decided within the statement: two managers may remove each other at once.
 */
export const isNotLastManager = (ctx: Ctx, managing: readonly string[]) => sql`(
  staff.role NOT IN (SELECT value FROM json_each(${JSON.stringify(managing)})) OR EXISTS (
    SELECT 1 FROM api_keys AS other LEFT JOIN staff AS person ON person.id = other.staff_id
    WHERE other.clinic_id = staff.clinic_id AND other.revoked_at IS NULL
      AND other.staff_id IS NOT staff.id
      AND CASE WHEN other.staff_id IS NULL
        THEN other.expires_at IS NULL
          AND NOT (${lacks('other', 'admin')} AND ${lacks('other', 'clinic:admin')})
        ELSE person.left_at IS NULL AND (other.expires_at IS NULL OR other.expires_at > ${ctx.now})
          AND person.role IN (SELECT value FROM json_each(${JSON.stringify(managing)})) END))`

const lacks = (table: string, scope: 'admin' | 'clinics:*' | 'clinic:admin') =>
  sql`NOT EXISTS (SELECT 1 FROM json_each(${sql.raw(table)}.scopes) WHERE value = ${scope})`
