import { and, desc, eq, lt } from 'drizzle-orm'
import { apiKeys } from '../access/model'
import { requireAdministered } from '../access/permissions'
import type { Ctx } from '../context'
import { cutPage, type Page } from '../lib/page'
import { type AuditEntry, audit, type ListAudit, toAuditEntry } from './model'

/** A clinic's audit, newest first. */
export async function listAudit(ctx: Ctx, wanted: ListAudit): Promise<Page<AuditEntry>> {
  const { clinic_id: clinicId = ctx.clinic.id } = wanted
  requireAdministered(ctx, clinicId)
  const before = wanted.cursor?.[0]
  const rows = await ctx.db
    .select({ entry: audit, staffId: apiKeys.staffId, actorClinicId: apiKeys.clinicId })
    .from(audit)
    .leftJoin(apiKeys, eq(apiKeys.id, audit.keyId))
    .where(and(eq(audit.clinicId, clinicId), before === undefined ? undefined : lt(audit.seq, before)))
    .orderBy(desc(audit.seq))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toAuditEntry), wanted.limit, (entry) => [entry.seq])
}
