import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { describeRoute } from 'hono-openapi'
import type { Ctx } from '../context'
import { streamOf } from '../http/event-stream'
import { cutPage, type Page } from '../lib/page'
import type { Fault } from '../problem'
import { csvLine } from './csv'
import type { Kind } from './kind'
import { FIRST_ROW, imports, stagedRows } from './model'
import { type Job, jobOf, type ListRows } from './status'

/** Rows per read of D1 and in memory at once: far below the 2 MB that D1 allows for one value. */
const PAGE_ROWS = 1_000

/** The field that lists the rows, and the status of an imported row. */
interface RowWords {
  list: string
  created: string
}

interface StatusText {
  text: string | ReadableStream<Uint8Array>
  next: string | null
}

/**
 * The status as JSON. A completed job lists every row of its file, up to 100,000: D1 makes their JSON, which
 * is streamed as text page by page and never parsed here. With `rows` the status lists one page of rows.
 */
export async function statusText(
  ctx: Ctx,
  job: Job,
  status: object,
  { list, created }: RowWords,
  wanted: ListRows,
): Promise<StatusText> {
  const text = JSON.stringify(status)
  if (job.state !== 'completed') return { text, next: null }
  const listStart = `"${list}":[`
  const at = text.indexOf(listStart) + listStart.length
  const [head, tail] = [text.slice(0, at), text.slice(at)]
  if (!wanted.rows) return { text: streamOf(wrapped(head, rowsOf(ctx, job, created), tail)), next: null }
  const { rows, next } = await onePage(ctx, job, created, wanted)
  return { text: head + rows.join() + tail, next }
}

async function* wrapped(head: string, rows: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
  yield head
  yield* rows
  yield tail
}

async function* rowsOf(ctx: Ctx, job: Job, created: string): AsyncGenerator<string> {
  const last = FIRST_ROW + job.totalRows - 1
  for (let row = FIRST_ROW - 1; row < last; row += PAGE_ROWS) {
    const rows = await jsonPage(ctx, job, created, row)
    if (rows) yield row < FIRST_ROW ? rows : `,${rows}`
  }
}

/** One page of the job's rows, and the cursor of the next page. */
async function onePage(ctx: Ctx, job: Job, created: string, wanted: ListRows): Promise<Page<string>> {
  const status = wanted.rows === 'all' ? undefined : eq(stagedRows.status, wanted.rows ?? 'failed')
  const found = await selectRows(ctx, job, created, wanted.cursor?.[0] ?? 0, wanted.limit + 1, status)
  const { rows, next } = cutPage(found, wanted.limit, ({ row }) => [row])
  return { rows: rows.map(({ json }) => json), next }
}

async function jsonPage(ctx: Ctx, job: Job, created: string, after: number): Promise<string> {
  const page = selectRows(ctx, job, created, after, PAGE_ROWS).as('page')
  const [found] = await ctx.db
    .select({ rows: sql<string | null>`group_concat(${page.json}, ',')` })
    .from(page)
  return found?.rows ?? ''
}

/** Each row has its number, name and status, and the reason if it failed; no other cells. */
function selectRows(ctx: Ctx, job: Job, created: string, after: number, count: number, status?: SQL) {
  const ofJob = and(eq(imports.clinicId, ctx.clinic.id), eq(stagedRows.jobId, job.id))
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

export type Outcome = 'failed' | 'succeeded'

/** The rows as they were uploaded, each with its number and its reason or record id. Read page by page. */
export async function rowsAsCsv(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  outcome: Outcome,
): Promise<AsyncGenerator<string>> {
  const job = await jobOf(ctx, kind.name, jobId)
  return csvLines(ctx, kind, job.id, outcome)
}

async function* csvLines(ctx: Ctx, kind: Kind, jobId: string, outcome: Outcome): AsyncGenerator<string> {
  const names = kind.columns.map(({ name }) => name)
  yield csvLine([...names, 'row', outcome === 'failed' ? 'reason' : 'id'])
  for (let after: number | undefined = FIRST_ROW - 1; after !== undefined; ) {
    const page = await csvPage(ctx, kind, jobId, outcome, after)
    const texts = page.map(({ row, cells, last }) => {
      const given = JSON.parse(cells) as Record<string, unknown>
      return csvLine([...names.map((name) => String(given[name] ?? '')), String(row), last])
    })
    if (texts.length > 0) yield texts.join('')
    after = page.length === PAGE_ROWS ? page.at(-1)?.row : undefined
  }
}

async function csvPage(ctx: Ctx, kind: Kind, jobId: string, outcome: Outcome, after: number) {
  const last: SQL<string> = outcome === 'failed' ? sql`${stagedRows.reason}` : sql`${kind.recordId}`
  const rows = await ctx.db
    .select({ row: stagedRows.row, cells: stagedRows.cells, faults: stagedRows.faults, last })
    .from(stagedRows)
    .where(
      and(
        eq(stagedRows.jobId, jobId),
        eq(stagedRows.status, outcome === 'failed' ? 'failed' : 'created'),
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

/** The OpenAPI text of a route that sends rows as CSV. */
export const sendsCsv = (summary: string, columns: string) =>
  describeRoute({
    summary,
    responses: {
      200: {
        description: `CSV with ${columns}. A cell that a spreadsheet would read as a formula starts with '.`,
        content: { 'text/csv': { schema: { type: 'string' } } },
      },
    },
    'x-problems': ['not_found'],
  } as Parameters<typeof describeRoute>[0])
