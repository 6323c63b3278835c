import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { Fault } from '../problem'
import { jobOf } from './control'
import { csvLine } from './csv-text'
import type { Kind } from './kind'
import { FIRST_ROW, stagedRows } from './model'

/** Rows per read of D1, and the most that is ever in memory. */
const PAGE_ROWS = 1_000

export type Ended = 'failed' | 'succeeded'

/** Its rows as they were given, with the number of each and what became of it. Read page by page. */
export async function rowsAsCsv(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  ended: Ended,
): Promise<AsyncGenerator<string>> {
  const job = await jobOf(ctx, kind, jobId)
  return lines(ctx, kind, job.id, ended)
}

async function* lines(ctx: Ctx, kind: Kind, jobId: string, ended: Ended): AsyncGenerator<string> {
  const names = kind.columns.map(({ name }) => name)
  yield csvLine([...names, 'row', ended === 'failed' ? 'reason' : 'id'])
  for (let after: number | undefined = FIRST_ROW - 1; after !== undefined; ) {
    const page = await pageOf(ctx, kind, jobId, ended, after)
    const texts = page.map(({ row, cells, last }) => {
      const given = JSON.parse(cells) as Record<string, string | null>
      return csvLine([...names.map((name) => given[name] ?? ''), String(row), last])
    })
    if (texts.length > 0) yield texts.join('')
    after = page.length === PAGE_ROWS ? page.at(-1)?.row : undefined
  }
}

async function pageOf(ctx: Ctx, kind: Kind, jobId: string, ended: Ended, after: number) {
  const last: SQL<string> = ended === 'failed' ? sql`${stagedRows.reason}` : sql`${kind.recordId}`
  const rows = await ctx.db
    .select({ row: stagedRows.row, cells: stagedRows.cells, faults: stagedRows.faults, last })
    .from(stagedRows)
    .where(
      and(
        eq(stagedRows.jobId, jobId),
        eq(stagedRows.status, ended === 'failed' ? 'failed' : 'created'),
        gt(stagedRows.row, after),
        sql`EXISTS (SELECT 1 FROM imports WHERE id = ${jobId} AND clinic_id = ${ctx.clinic.id})`,
      ),
    )
    .orderBy(asc(stagedRows.row))
    .limit(PAGE_ROWS)
  return rows.map(({ faults, ...row }) => ({ ...row, last: [row.last, ...sentences(faults)].join('; ') }))
}

const sentences = (faults: string | null): string[] =>
  faults === null ? [] : (JSON.parse(faults) as Fault[]).map(({ message }) => message)
