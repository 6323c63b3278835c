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

/** Rows per read of D1, and the most that are ever in memory: far below the 2 MB that one value may have. */
const PAGE_ROWS = 1_000

/** Where a result lists its rows, and what it calls one that became a record. */
interface Listed {
  list: string
  created: string
}

interface StatusText {
  text: string | ReadableStream<Uint8Array>
  next: string | null
}

/**
 * The status as JSON. A completed job lists every row of its file, which can be 100,000: they pass through as
 * text, page by page, and are never objects here. With `rows` it lists one page of them.
 */
export async function statusText(
  ctx: Ctx,
  job: Job,
  status: object,
  { list, created }: Listed,
  wanted: ListRows,
): Promise<StatusText> {
  const text = JSON.stringify(status)
  if (job.state !== 'completed') return { text, next: null }
  const hole = `"${list}":[`
  const at = text.indexOf(hole) + hole.length
  const [head, tail] = [text.slice(0, at), text.slice(at)]
  if (!wanted.rows) return { text: streamOf(inside(head, rowsOf(ctx, job, created), tail)), next: null }
  const { rows, next } = await onePage(ctx, job, created, wanted)
  return { text: head + rows.join() + tail, next }
}

async function* inside(head: string, rows: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
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

/** One page of its rows, and where the next one starts. */
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

/** Of a row its number and name, what became of it, and why not where it failed. Nothing else. */
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

/** Its rows as they were given, with the number of each and what became of it. Read page by page. */
export async function rowsAsCsv(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  outcome: Outcome,
): Promise<AsyncGenerator<string>> {
  const job = await jobOf(ctx, kind.name, jobId)
  return lines(ctx, kind, job.id, outcome)
}

async function* lines(ctx: Ctx, kind: Kind, jobId: string, outcome: Outcome): AsyncGenerator<string> {
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

/** What the document says of a route that sends rows as CSV. */
export const sendsCsv = (summary: string, columns: string) =>
  describeRoute({
    summary,
    responses: {
      200: {
        description: `CSV with ${columns}. A cell that a spreadsheet would take for a formula is led by '.`,
        content: { 'text/csv': { schema: { type: 'string' } } },
      },
    },
    'x-problems': ['not_found'],
  } as Parameters<typeof describeRoute>[0])
