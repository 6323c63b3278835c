import { and, asc, eq, gt, inArray, isNull, sql } from 'drizzle-orm'
import { forgetKeysOf } from '../access/known-keys'
import { apiKeys } from '../access/model'
import { isNotLastManager, mayGrant, requireScopes } from '../access/permissions'
import { MANAGING, ROLE_NAMES, ROLES, scopesOfRole } from '../access/roles'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound, Problem } from '../problem'
import { type ListStaff, type NewStaff, type Staff, type StaffRow, staff, toStaff } from './model'

export async function addStaff(ctx: Ctx, wanted: NewStaff): Promise<StaffRow> {
  requireScopes(ctx, ROLES[wanted.role], 'Giving this role')
  const id = newId()
  const { results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(staff)
      .values({ id, clinicId: ctx.clinic.id, ...wanted, createdAt: ctx.now, opId: op })
      .onConflictDoNothing(),
    audited(ctx, 'staff.added', id),
    ctx.db.select().from(staff).where(eq(staff.opId, op)),
  ])
  return required(results[2])
}

/** Everyone, also who has left, in the order in which they came. */
export async function listStaff(ctx: Ctx, wanted: ListStaff): Promise<Page<Staff>> {
  const rows = await ctx.db
    .select()
    .from(staff)
    .where(and(eq(staff.clinicId, ctx.clinic.id), gt(staff.id, wanted.cursor?.[0] ?? '')))
    .orderBy(asc(staff.id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toStaff), wanted.limit, (person) => [person.id])
}

export const getStaff = async (ctx: Ctx, id: string): Promise<StaffRow> =>
  required(await selectStaff(ctx, id))

/**
 * The person leaves: the same batch revokes each of their keys. Again, it changes nothing. The last manager
 * of a clinic stays.
 */
export async function removeStaff(ctx: Ctx, id: string): Promise<Staff> {
  const [, , , rows] = await ctx.db
    .batch([
      ctx.db
        .update(staff)
        .set({ leftAt: ctx.now, version: sql`${staff.version} + 1` })
        .where(
          and(isStaff(ctx, id), isNull(staff.leftAt), hasRoleToGive(ctx), isNotLastManager(ctx, MANAGING)),
        ),
      audited(ctx, 'staff.left', id),
      ctx.db
        .update(apiKeys)
        .set({ revokedAt: ctx.now })
        .where(
          and(
            eq(apiKeys.staffId, id),
            isNull(apiKeys.revokedAt),
            sql`EXISTS (SELECT 1 FROM staff WHERE ${isStaff(ctx, id)} AND ${staff.leftAt} IS NOT NULL)`,
          ),
        ),
      selectStaff(ctx, id),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetKeysOf(id))
  const person = required(rows)
  if (person.leftAt === null) throw keepsRole(ctx, person)
  return toStaff(person)
}

export const selectStaff = (ctx: Ctx, id: string) => ctx.db.select().from(staff).where(isStaff(ctx, id))

export const isStaff = (ctx: Ctx, id: string) => and(eq(staff.clinicId, ctx.clinic.id), eq(staff.id, id))

export function required([person]: StaffRow[]): StaffRow {
  if (!person) throw notFound('Staff')
  return person
}

/**
 * The caller holds all scopes of the person's role. Every statement that gives or takes something of a person
 * has this condition: the role may change while the caller is being checked.
 */
export const hasRoleToGive = (ctx: Ctx) =>
  inArray(
    staff.role,
    ROLE_NAMES.filter((role) => mayGrant(ctx, ROLES[role])),
  )

export const roleBeyond = () =>
  new Problem('scope_missing', 'This request needs an API key with all scopes of the role of the person')

/** Why the caller cannot take the role of a person away. */
export const keepsRole = (ctx: Ctx, { role }: StaffRow): Problem =>
  mayGrant(ctx, scopesOfRole(role)) ? new Problem('last_manager', LAST_MANAGER) : roleBeyond()

const LAST_MANAGER =
  'This person is the last manager of the clinic who can sign in; add another one first, and let them sign in'

export const hasLeft = () => new Problem('staff_left', 'This person has left; add them to the staff again')
