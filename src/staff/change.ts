import { and, eq, isNull, sql } from 'drizzle-orm'
import { forgetKeysOf } from '../access/known-keys'
import { apiKeys } from '../access/model'
import { isNotLastManager, requireScopes } from '../access/permissions'
import { MANAGING, ROLES, scopesByRole } from '../access/roles'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import type { IfMatch } from '../http/etag'
import { etagOf } from '../patients/model'
import { Problem } from '../problem'
import { getStaff, hasLeft, hasRoleToGive, isStaff, keepsRole, required, selectStaff } from './actions'
import { type ChangeStaff, type StaffRow, staff } from './model'

/**
 * Changes a person as the caller has read them: `ifMatch` is the ETag of that answer. The caller holds the
 * scopes of the role as it is, and of the one that it gives. A retry gets the person as they are by then.
 */
export async function changeStaff(
  ctx: Ctx,
  id: string,
  wanted: ChangeStaff,
  ifMatch: IfMatch | undefined,
): Promise<StaffRow> {
  const before = await getStaff(ctx, id)
  if (ifMatch === undefined)
    throw new Problem('if_match_required', 'Send If-Match with the ETag of the record')
  const { name = before.name, role } = wanted
  if (role !== undefined) requireScopes(ctx, ROLES[role], 'Giving this role')
  const isRead = ifMatch(etagOf(before.version))
  const { opId, reply, results } = await ctx.once
    .transact((op) => [
      ctx.db
        .update(staff)
        .set({
          name,
          ...(role !== undefined && { role }),
          version: sql`${staff.version} + 1`,
          changeOp: op,
        })
        .where(
          and(
            isStaff(ctx, id),
            eq(staff.version, isRead ? before.version : NO_VERSION),
            isNull(staff.leftAt),
            hasRoleToGive(ctx),
            role === undefined || MANAGING.includes(role) ? undefined : isNotLastManager(ctx, MANAGING),
            sql`${op} = ${ctx.once.opId}`,
          ),
        ),
      audited(ctx, 'staff.changed', id),
      followRole(ctx, id),
      selectStaff(ctx, id),
      ctx.once.keep(sql`SELECT 'changed' FROM staff WHERE ${isStaff(ctx, id)} AND change_op = ${op}`),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetKeysOf(id))
  const person = required(results[3])
  if (person.changeOp === opId || reply !== null) return person
  if (person.leftAt !== null) throw hasLeft()
  if (!isRead || person.version !== before.version)
    throw new Problem('record_changed', 'The record has changed since it was read; read it again')
  throw keepsRole(ctx, person)
}

/** Counts begin at 1. */
const NO_VERSION = 0

/** The day of a queue sees in the stored scopes of a key whether its holder may still follow. */
const followRole = (ctx: Ctx, id: string) =>
  ctx.db
    .update(apiKeys)
    .set({ scopes: scopesByRole(sql`(SELECT role FROM staff WHERE ${isStaff(ctx, id)})`) })
    .where(
      and(
        eq(apiKeys.staffId, id),
        isNull(apiKeys.revokedAt),
        sql`EXISTS (SELECT 1 FROM staff WHERE ${isStaff(ctx, id)})`,
      ),
    )
