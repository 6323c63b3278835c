import { and, count, desc, eq, lt, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { cursor, cutPage, limit, type Page } from '../lib/page'
import { iso, SECOND_MS } from '../lib/time'
import { notFound } from '../problem'
import { imports, type KindName } from './model'

/** How an import's job is read, and what its status says. */

export type Job = typeof imports.$inferSelect

/** A job’s row and the sums over its chunks. */
export interface ImportFacts {
  job: Job
  created: number
  duplicate: number
  failed: number
}

const ofChunks = (column: 'created' | 'duplicate' | 'failed') =>
  sql<number>`(SELECT coalesce(sum(${sql.raw(column)}), 0) FROM import_chunks WHERE job_id = ${imports.id})`

const IMPORT_FACTS = {
  job: imports,
  created: ofChunks('created'),
  duplicate: ofChunks('duplicate'),
  failed: ofChunks('failed'),
}

/** Finds a job of this kind only: under another kind’s path the job does not exist. */
export async function getImport(
  ctx: Pick<Ctx, 'db' | 'clinic'>,
  kind: KindName,
  jobId: string,
): Promise<ImportFacts> {
  const [facts] = await ctx.db
    .select(IMPORT_FACTS)
    .from(imports)
    .where(isJob(ctx, kind, jobId))
  if (!facts) throw notFound('Job')
  return facts
}

/** The job alone, without its sums. */
export async function jobOf(ctx: Ctx, kind: KindName, jobId: string): Promise<Job> {
  const [job] = await ctx.db
    .select()
    .from(imports)
    .where(isJob(ctx, kind, jobId))
  if (!job) throw notFound('Job')
  return job
}

/** Newest first. */
export async function listImports(
  ctx: Ctx,
  kind: KindName,
  wanted: ListImports,
): Promise<{ total: number; page: Page<ImportFacts> }> {
  const before = wanted.cursor?.[0]
  const [[counted], rows] = await ctx.db.batch([
    ctx.db.select({ total: count() }).from(imports).where(isOfKind(ctx, kind)),
    ctx.db
      .select(IMPORT_FACTS)
      .from(imports)
      .where(and(isOfKind(ctx, kind), before === undefined ? undefined : lt(imports.id, before)))
      .orderBy(desc(imports.id))
      .limit(wanted.limit + 1),
  ])
  return { total: counted?.total ?? 0, page: cutPage(rows, wanted.limit, ({ job }) => [job.id]) }
}

export const isJob = (ctx: Pick<Ctx, 'clinic'>, kind: KindName, jobId: string) =>
  and(isOfKind(ctx, kind), eq(imports.id, jobId))

const isOfKind = ({ clinic }: Pick<Ctx, 'clinic'>, kind: KindName) =>
  and(eq(imports.clinicId, clinic.id), eq(imports.kind, kind))

export const isOver = ({ job }: ImportFacts): boolean => job.state !== 'pending' && job.state !== 'processing'

/** Until when the job is paused, ISO 8601. A pause in the past counts as none, so nothing has to clear it. */
export const pausedUntil = ({ state, pausedUntil: until }: Job, now: number): string | null =>
  state === 'processing' && until !== null && until > now ? iso(until) : null

/** The fields of every status. Each kind adds its counts under its own name. */
export const PROGRESS = {
  job_id: v.string(),
  status: v.picklist(['pending', 'processing', 'completed', 'failed', 'cancelled']),
  progress_percentage: v.number(),
  started_at: v.nullable(v.string()),
  completed_at: v.nullable(v.string()),
  error: v.nullable(v.string()),
}

/** The rows that need no more work. */
export const doneOf = ({ created, duplicate, failed }: ImportFacts): number => created + duplicate + failed

export const toProgress = (facts: ImportFacts) => ({
  job_id: facts.job.id,
  status: facts.job.state,
  progress_percentage: percentage(facts.job.totalRows, doneOf(facts)),
  started_at: isoOrNull(facts.job.startedAt),
  completed_at: isoOrNull(facts.job.completedAt),
  error: facts.job.error,
})

/** Rounded down, so that 100 means done. */
const percentage = (total: number, done: number): number => Math.floor((done / total) * 10_000) / 100

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))

/** The time of a running job is counted until `now`. */
export const processingSeconds = ({ startedAt, completedAt }: Job, now: number) =>
  startedAt === null ? null : Math.max(0, (completedAt ?? now) - startedAt) / SECOND_MS

/** `records`: what the rows become, like `hospitals`. */
export function statusMessage(facts: ImportFacts, records: string): string {
  const { job, created, duplicate, failed } = facts
  const known = duplicate === 0 ? '' : `, ${counted(duplicate, 'duplicates')}`
  const done = `${counted(created, records)} created${known}, ${counted(failed, 'rows')} failed`
  const left = job.totalRows - doneOf(facts)
  const undone = left === 1 ? '1 row is' : `${left} rows are`
  switch (job.state) {
    case 'pending':
      return 'The import has not started yet'
    case 'processing':
      return `The import is running: ${done} of ${counted(job.totalRows, 'rows')} so far`
    case 'failed':
      return `The import failed because a part of it failed too often: ${done}`
    case 'cancelled':
      return `The import was cancelled: ${done}, ${undone} not done`
    case 'completed':
      return `The import is completed: ${done}`
  }
}

/** `1 row`, `2 rows`. `plural` ends with the s that one of them does not have. */
export const counted = (count: number, plural: string): string =>
  `${count} ${count === 1 ? plural.slice(0, -1) : plural}`

/** `?rows=`: one page of a completed job’s rows with that status. Without it the result lists all rows. */
const listRowsOf = <const Status extends string>(statuses: readonly Status[]) =>
  v.object({ rows: v.optional(v.picklist(statuses)), limit: limit(100), cursor: cursor(v.number()) })

export const ListRows = listRowsOf(['failed', 'created', 'all'])
export const ListRowsAndDuplicates = listRowsOf(['failed', 'created', 'duplicate', 'all'])
export type ListRows = v.InferOutput<typeof ListRowsAndDuplicates>

export const ListImports = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListImports = v.InferOutput<typeof ListImports>
