import { createMiddleware } from 'hono/factory'
import { uniqueSymbol } from 'hono-openapi'
import type { App, Ctx } from '../context'
import { notFound, Problem } from '../problem'

/** What an API key may do: each route names the scopes that it `needs`. `*` on a key means all of these. */
export const SCOPES = {
  'patients:read': 'read patients and their imports',
  'patients:write': 'register patients; import, repair, cancel and resume imports of patients',
  'doctors:read': 'read doctors and their availability',
  'doctors:write': 'add and change doctors, set availability, declare absences',
  'appointments:read': 'read appointments and the figures of a day',
  'appointments:write': 'book, hold, move and cancel, use the waitlist, declare absences',
  'checkins:read': 'read and follow queues, issue tickets',
  'checkins:write': 'check in, walk in, call and serve',
  'tests:read': 'read records of medical tests',
  'tests:write': 'store records of medical tests',
  'webhooks:write': 'send webhook events',
  'events:read': 'read webhook events',
  'hospitals:read': 'read hospitals and their imports',
  'hospitals:write': 'import, repair, cancel and resume imports of hospitals, activate batches',
  'audit:read': 'read the audit and the events of a day',
} as const

/** Scopes that reach beyond one clinic; `*` never includes them. */
export const GRANTED_BY_NAME = {
  'clinics:*': 'read and store medical tests of any clinic',
  admin: 'open and list clinics; create, list and revoke API keys of any clinic',
} as const

type Scope = keyof typeof SCOPES | keyof typeof GRANTED_BY_NAME

/** Refuses a request whose key does not have all these scopes. */
export const needs = (...scopes: Scope[]) =>
  Object.assign(
    createMiddleware<App>(async (c, next) => {
      const missing = scopes.find((scope) => !isGranted(c.var.ctx.actor.scopes, scope))
      if (missing !== undefined)
        throw new Problem('scope_missing', `This request needs an API key with the scope ${missing}`)
      await next()
    }),
    {
      [uniqueSymbol]: {
        spec: { security: [{ bearer: [] }, { apiKey: [] }], 'x-scope': scopes.join('` and `') },
      },
    },
  )

/** Whether a key with the scopes `granted` has this one. */
const isGranted = (granted: readonly string[], scope: Scope): boolean =>
  granted.includes(scope) || (granted.includes('*') && scope in SCOPES)

/** A key may use its own clinic, or with `clinics:*` any. Every other clinic is 404. */
export function requireClinic(ctx: Ctx, clinicId: string): void {
  if (clinicId !== ctx.clinic.id && !ctx.actor.scopes.includes('clinics:*'))
    throw notFound('clinic_id: clinic')
}
