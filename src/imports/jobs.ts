import { and, count, desc, eq, lt } from 'drizzle-orm'
import type { Ctx } from '../context'
import { cutPage, type Page } from '../lib/page'
import { notFound } from '../problem'
import { IMPORT_FACTS, type ImportFacts, type ListImports } from './job'
import { imports, type KindName } from './model'

/** Of this kind only: under another kind's path the job does not exist. */
export async function getImport(
  ctx: Pick<Ctx, 'db' | 'clinic'>,
  kind: KindName,
  jobId: string,
): Promise<ImportFacts> {
  const [facts] = await ctx.db
    .select(IMPORT_FACTS)
    .from(imports)
    .where(and(ofKind(ctx, kind), eq(imports.id, jobId)))
  if (!facts) throw notFound('Job')
  return facts
}

/** Newest first. */
export async function listImports(
  ctx: Ctx,
  kind: KindName,
  wanted: ListImports,
): Promise<{ total: number; page: Page<ImportFacts> }> {
  const before = wanted.cursor?.[0]
  const [[counted], rows] = await ctx.db.batch([
    ctx.db.select({ total: count() }).from(imports).where(ofKind(ctx, kind)),
    ctx.db
      .select(IMPORT_FACTS)
      .from(imports)
      .where(and(ofKind(ctx, kind), before === undefined ? undefined : lt(imports.id, before)))
      .orderBy(desc(imports.id))
      .limit(wanted.limit + 1),
  ])
  return { total: counted?.total ?? 0, page: cutPage(rows, wanted.limit, ({ job }) => [job.id]) }
}

const ofKind = ({ clinic }: Pick<Ctx, 'clinic'>, kind: KindName) =>
  and(eq(imports.clinicId, clinic.id), eq(imports.kind, kind))
