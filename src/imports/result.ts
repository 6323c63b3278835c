import { and, asc, eq, gt, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { ImportFacts } from './job'
import { FIRST_ROW, imports, stagedRows } from './model'

/** Rows per read of D1: their JSON stays far below the 2 MB that one value may have. */
const PAGE_ROWS = 1_000

export const JSON_TYPE = { 'Content-Type': 'application/json' }

type Job = ImportFacts['job']

/** Where a result lists its rows, and what it calls one that became a record. */
interface Listed {
  list: string
  created: string
}

/**
 * The status as JSON. A completed job lists every row of its file, which can be 100,000: they pass through as
 * text, page by page, and are never objects here.
 */
export function statusText(
  ctx: Ctx,
  job: Job,
  status: object,
  { list, created }: Listed,
): string | ReadableStream<Uint8Array> {
  const text = JSON.stringify(status)
  if (job.state !== 'completed') return text
  const hole = `"${list}":[`
  const at = text.indexOf(hole) + hole.length
  return streamOf(inside(text.slice(0, at), rowsOf(ctx, job, created), text.slice(at)))
}

async function* inside(head: string, rows: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
  yield head
  yield* rows
  yield tail
}

async function* rowsOf(ctx: Ctx, job: Job, created: string): AsyncGenerator<string> {
  const last = FIRST_ROW + job.totalRows - 1
  for (let row = FIRST_ROW - 1; row < last; row += PAGE_ROWS) {
    const rows = await pageOf(ctx, job, created, row)
    if (rows) yield row < FIRST_ROW ? rows : `,${rows}`
  }
}

/** Of a row its number and name, what became of it, and why not where it failed. Nothing else. */
async function pageOf(ctx: Ctx, job: Job, created: string, after: number): Promise<string> {
  const page = ctx.db
    .select({
      json: sql<string>`CASE ${stagedRows.status}
        WHEN 'created' THEN json_object('row', ${stagedRows.row}, 'name', ${stagedRows.cells}->>'name',
          'status', ${created})
        ELSE json_object('row', ${stagedRows.row}, 'name', ${stagedRows.cells}->>'name',
          'status', 'failed', 'reason', ${stagedRows.reason}) END`.as('json'),
    })
    .from(stagedRows)
    .innerJoin(imports, eq(imports.id, stagedRows.jobId))
    .where(and(eq(imports.clinicId, ctx.clinic.id), eq(stagedRows.jobId, job.id), gt(stagedRows.row, after)))
    .orderBy(asc(stagedRows.row))
    .limit(PAGE_ROWS)
    .as('page')
  const [found] = await ctx.db
    .select({ rows: sql<string | null>`group_concat(${page.json}, ',')` })
    .from(page)
  return found?.rows ?? ''
}

/** Reads the next page when the client has taken the last one. */
function streamOf(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await texts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await texts.return(undefined)
    },
  })
}
