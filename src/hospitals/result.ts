import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { streamOf } from '../http/stream'
import { FIRST_ROW, imports, stagedRows } from '../imports/model'
import { cutPage, type Page } from '../lib/page'
import { type ImportFacts, ImportStatus, type ListRows, toStatus } from './job'

/** Rows per read of D1: their JSON stays far below the 2 MB that one value may have. */
const PAGE_ROWS = 1_000

const HOLE = '"hospitals":['

interface StatusText {
  text: string | ReadableStream<Uint8Array>
  next: string | null
}

/**
 * The status as JSON. A completed job lists every row of its file, which can be 100,000: they pass through as
 * text, page by page, and are never objects here. With `rows` it lists one page of them.
 */
export async function statusText(ctx: Ctx, facts: ImportFacts, wanted: ListRows): Promise<StatusText> {
  const text = JSON.stringify(v.parse(ImportStatus, toStatus(facts, ctx.now)))
  if (facts.job.state !== 'completed') return { text, next: null }
  const at = text.indexOf(HOLE) + HOLE.length
  const [head, tail] = [text.slice(0, at), text.slice(at)]
  if (!wanted.rows) return { text: streamOf(inside(head, rowsOf(ctx, facts.job), tail)), next: null }
  const { rows, next } = await onePage(ctx, facts.job, wanted)
  return { text: head + rows.join() + tail, next }
}

async function* inside(head: string, rows: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
  yield head
  yield* rows
  yield tail
}

async function* rowsOf(ctx: Ctx, job: ImportFacts['job']): AsyncGenerator<string> {
  const last = FIRST_ROW + job.totalRows - 1
  for (let row = FIRST_ROW - 1; row < last; row += PAGE_ROWS) {
    const rows = await pageOf(ctx, job, row)
    if (rows) yield row < FIRST_ROW ? rows : `,${rows}`
  }
}

/** One page of its rows, and where the next one starts. */
async function onePage(ctx: Ctx, job: ImportFacts['job'], wanted: ListRows): Promise<Page<string>> {
  const status = wanted.rows === 'all' ? undefined : eq(stagedRows.status, wanted.rows ?? 'failed')
  const found = await selectRows(ctx, job, wanted.cursor?.[0] ?? 0, wanted.limit + 1, status)
  const { rows, next } = cutPage(found, wanted.limit, ({ row }) => [row])
  return { rows: rows.map(({ json }) => json), next }
}

async function pageOf(ctx: Ctx, job: ImportFacts['job'], after: number): Promise<string> {
  const page = selectRows(ctx, job, after, PAGE_ROWS).as('page')
  const [found] = await ctx.db
    .select({ rows: sql<string | null>`group_concat(${page.json}, ',')` })
    .from(page)
  return found?.rows ?? ''
}

/** The fields of ImportedRow as JSON, and no others. */
function selectRows(ctx: Ctx, job: ImportFacts['job'], after: number, count: number, status?: SQL) {
  const ofJob = and(eq(imports.clinicId, ctx.clinic.id), eq(stagedRows.jobId, job.id))
  const created = job.activatedAt === null ? 'created' : 'created_and_activated'
  return ctx.db
    .select({
      row: stagedRows.row,
      json: sql<string>`CASE ${stagedRows.status}
        WHEN 'created' THEN json_object('row', ${stagedRows.row}, 'name', ${stagedRows.cells}->>'name',
          'status', ${created})
        ELSE json_patch(
          json_object('row', ${stagedRows.row}, 'name', ${stagedRows.cells}->>'name',
            'status', 'failed', 'reason', ${stagedRows.reason}),
          json_object('faults', json(${stagedRows.faults}))) END`.as('json'),
    })
    .from(stagedRows)
    .innerJoin(imports, eq(imports.id, stagedRows.jobId))
    .where(and(ofJob, gt(stagedRows.row, after), status))
    .orderBy(asc(stagedRows.row))
    .limit(count)
}
