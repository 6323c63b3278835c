import { and, eq, gt, type SQL, sql } from 'drizzle-orm'
import { describeRoute } from 'hono-openapi'
import { mayUse } from '../access/permissions'
import type { Ctx } from '../context'
import { streamOf } from '../http/event-stream'
import { csvLine, csvLines } from '../http/lists/csv-text'
import { jsonPage, type Select, textPage, unmarked } from '../lib/db'
import type { Fault } from '../problem'
import { ROW_COLUMN } from './file/header'
import type { Kind } from './kind'
import { imports, stagedRows } from './model'
import { type Job, jobOf, type ListRows } from './status'

/** Rows per read of D1 and in memory at once. */
const PAGE_ROWS = 1_000

/** Cells and faults of such a page, or one row more. A page of large rows has fewer rows. */
const PAGE_BYTES = 1_000_000

/** The field that lists the rows, and the status of an imported row. */
interface RowWords {
  kind: Kind
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
  words: RowWords,
  wanted: ListRows,
): Promise<StatusText> {
  const text = JSON.stringify(status)
  if (job.state !== 'completed') return { text: `${text}\n`, next: null }
  const listStart = `"${words.list}":[`
  const at = text.indexOf(listStart) + listStart.length
  const [head, tail] = [text.slice(0, at), `${text.slice(at)}\n`]
  if (!wanted.rows) return { text: streamOf(wrapped(head, rowsOf(ctx, job, words), tail)), next: null }
  const ofStatus = wanted.rows === 'all' ? undefined : eq(stagedRows.status, wanted.rows)
  const page = await textPage(ctx.db, selectRows(ctx, job, words, ofStatus), wanted.limit, wanted.cursor?.[0])
  return { text: head + rowsIn(page) + tail, next: page.next }
}

async function* wrapped(head: string, rows: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
  yield head
  yield* rows
  yield tail
}

async function* rowsOf(ctx: Ctx, job: Job, words: RowWords): AsyncGenerator<string> {
  let page = { marked: '', last: 0, hasMore: true, size: PAGE_ROWS }
  for (let isFirst = true; page.hasMore; isFirst = false) {
    const size = Math.min(page.size * 2, PAGE_ROWS)
    page = await jsonPage(ctx.db, selectRows(ctx, job, words), size, page.last)
    yield isFirst ? rowsIn(page) : `,${rowsIn(page)}`
  }
}

/** The rows of a page without the brackets of its array. */
const rowsIn = ({ marked }: { marked: string }): string => unmarked(marked).slice(1, -1)

/** Each row has its number, title and status, and the reason if it made no record; no other cells. */
function selectRows(ctx: Ctx, job: Job, { kind, created }: RowWords, status?: SQL): Select {
  const { row, cells, faults } = stagedRows
  const isListed = and(
    eq(imports.clinicId, ctx.clinic.id),
    eq(stagedRows.jobId, job.id),
    status,
    shown(ctx, kind, job),
  )
  const name = sql.raw(`'${kind.title}'`)
  // A row whose record was erased has no cells any more.
  const title = sql`coalesce(${cells}->>${name}, '')`
  return ({ after, limit }) => sql`
    SELECT ${row} AS seq, CASE ${stagedRows.status}
      WHEN 'created' THEN json_object('row', ${row}, ${name}, ${title}, 'status', ${created})
      ELSE json_patch(
        json_object('row', ${row}, ${name}, ${title}, 'status', ${stagedRows.status},
          'reason', ${stagedRows.reason}),
        json_object('faults', json(${faults}))) END AS json
    FROM ${stagedRows} JOIN ${imports} ON ${imports.id} = ${stagedRows.jobId}
    WHERE ${isListed} AND ${row} > ${after} ORDER BY ${row} LIMIT ${limit}`
}

/**
 * Where a key with `clinics:*` has sent rows, those of other clinics are shown to such keys only: a key of
 * one clinic cannot read the records of another by this way either.
 */
const shown = (ctx: Ctx, { clinicColumn }: Kind, { reach }: Job): SQL | undefined =>
  clinicColumn === undefined || reach === 'own' || mayUse(ctx, 'clinics:*')
    ? undefined
    : sql`${stagedRows.cells}->>${clinicColumn} = ${ctx.clinic.id}`

export type Outcome = 'failed' | 'succeeded'

/** The rows as they were uploaded, each with its number and its reason or record id. Read page by page. */
export async function rowsAsCsv(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  outcome: Outcome,
): Promise<AsyncGenerator<string>> {
  const job = await jobOf(ctx, kind.name, jobId)
  return rowsOfOutcome(ctx, kind, job, outcome)
}

async function* rowsOfOutcome(ctx: Ctx, kind: Kind, job: Job, outcome: Outcome): AsyncGenerator<string> {
  const names = kind.columns.map(({ name }) => name)
  const hidden = kind.hidden?.(ctx) ?? []
  yield csvLine([...names, ROW_COLUMN, outcome === 'failed' ? 'reason' : 'id'])
  for (let after: number | undefined = 0; after !== undefined; ) {
    const { rows, hasMore } = await csvPage(ctx, kind, job, outcome, after)
    const records = rows.map(({ row, cells, faults, last }) => {
      const given = JSON.parse(cells) as Record<string, unknown>
      const reason = [last, ...sentences(faults)].join('; ')
      return [...names.map((name) => (hidden.includes(name) ? '' : String(given[name] ?? ''))), row, reason]
    })
    if (records.length > 0) yield csvLines(records)
    after = hasMore ? rows.at(-1)?.row : undefined
  }
}

interface CsvRow {
  row: number
  cells: string
  faults: string | null
  last: string
  /** Rows that were looked at: a page that is cut by its bytes has fewer. */
  found: number
}

/** SQLite knows the length of a text without reading it, so only the rows of the page are read. */
async function csvPage(ctx: Ctx, kind: Kind, job: Job, outcome: Outcome, after: number) {
  const { row, cells, faults } = stagedRows
  const isListed = and(
    eq(stagedRows.jobId, job.id),
    eq(stagedRows.status, outcome === 'failed' ? 'failed' : 'created'),
    gt(row, after),
    shown(ctx, kind, job),
    sql`EXISTS (SELECT 1 FROM imports WHERE id = ${job.id} AND clinic_id = ${ctx.clinic.id})`,
  )
  const rows = await ctx.db.all<CsvRow>(sql`
    WITH ahead AS (
        SELECT ${row} AS number, octet_length(${cells}) + coalesce(octet_length(${faults}), 0) AS bytes
        FROM ${stagedRows} WHERE ${isListed} ORDER BY ${row} LIMIT ${PAGE_ROWS}),
      summed AS (SELECT number, sum(bytes) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) - bytes AS earlier
        FROM ahead)
    SELECT ${row} AS row, ${cells} AS cells, ${faults} AS faults,
      ${outcome === 'failed' ? stagedRows.reason : kind.recordId} AS last,
      (SELECT count(*) FROM ahead) AS found
    FROM ${stagedRows} WHERE ${eq(stagedRows.jobId, job.id)}
      AND ${row} IN (SELECT number FROM summed WHERE earlier < ${PAGE_BYTES})
    ORDER BY ${row}`)
  const found = rows[0]?.found ?? 0
  return { rows, hasMore: found === PAGE_ROWS || rows.length < found }
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
