import type { Context } from 'hono'
import { isRevoked } from '../access/known-keys'
import { needs } from '../access/permissions'
import type { App } from '../context'
import {
  doc,
  json,
  linkNext,
  noBody,
  noQuery,
  path,
  query,
  refuses,
  reply,
  replyListed,
  resource,
} from '../http/endpoint'
import { headOpensNothing, sendsEvents, streamEvents, streamOf } from '../http/event-stream'
import { parse } from '../http/failure'
import { fingerprintOf } from '../http/fingerprint'
import { replay, replayUpload, requiredKey } from '../http/idempotency'
import { fieldsOf, NO_FIELDS } from '../http/input/fields'
import { noDeadline } from '../http/limits'
import { LIST_FORMS } from '../http/lists/form'
import type { Fingerprint } from '../once'
import { startImport } from './accept'
import { cancelImport, resumeImport } from './control'
import { DryRun, dryRunImport } from './dry-run'
import { arrivingFile, takesFile } from './file/upload'
import type { Kind } from './kind'
import { END, progressEvents } from './progress'
import { repairImport } from './repair'
import { JobPath, ReopenedImport, repliesOf, UploadOptions, type Words } from './replies'
import { type Outcome, rowsAsCsv, sendsCsv, statusText } from './result'
import { sha256Of } from './staging'
import { getImport, isOver, ListImports, ListRows, ListRowsAndDuplicates, listImports } from './status'

/**
 * The routes of one kind of import. `uploads` takes files, `status` shows one job (its path must have
 * `:job_id`), `list` lists all jobs, `jobs` controls each.
 */
export function importRoutes<const Records extends string>(kind: Kind, words: Words<Records>) {
  const { records, whose } = words
  const replies = repliesOf(words, kind.title)
  const [mayRead, mayWrite] = [needs(`${kind.name}:read`), needs(`${kind.name}:write`)]
  const columns = kind.columns.map(({ name }) => name).join(', ')

  const uploads = resource().post(
    '/',
    noDeadline,
    doc('With dry_run: what the import would do', 200, DryRun),
    doc(`Import ${records} from a CSV or NDJSON file`, 202, replies.Accepted),
    refuses('idempotency_key_required', 'invalid_request', 'invalid_file'),
    takesFile(columnsOf(kind)),
    mayWrite,
    query(UploadOptions, whose),
    replayUpload(async (c) => uploadFingerprint(c, await sha256Of(fileOf(c).bytes))),
    async (c) => {
      const { mode, dry_run } = c.req.valid('query')
      const file = fileOf(c)
      if (dry_run) return reply(c, DryRun, await dryRunImport(c.var.ctx, kind, file))
      const accepted = await startImport(c.var.ctx, {
        kind,
        mode,
        key: requiredKey(c),
        file,
        fingerprint: (sha256) => uploadFingerprint(c, sha256),
      })
      return json(c, replies.accepted(accepted), 202)
    },
  )

  const status = resource()
    .get(
      '/',
      doc('Get the status of an import', 200, replies.Status),
      refuses('not_found'),
      mayRead,
      path(JobPath),
      // Its rows as CSV are routes of their own.
      query(words.countsDuplicates ? ListRowsAndDuplicates : ListRows, whose, []),
      async (c) => {
        const facts = await getImport(c.var.ctx, kind.name, c.req.valid('param').job_id)
        const listed = { kind, list: records, created: words.created[facts.job.activatedAt === null ? 0 : 1] }
        const shown = replies.status(facts, c.var.ctx.now)
        const { text, next } = await statusText(c.var.ctx, facts.job, shown, listed, c.req.valid('query'))
        linkNext(c, next)
        return c.body(text, 200, { 'Content-Type': 'application/json' })
      },
    )
    .get(
      '/live',
      sendsEvents(STREAM, replies.Progress, STREAM_OVER),
      mayRead,
      noQuery(),
      headOpensNothing,
      path(JobPath),
      async (c) => {
        const { ctx } = c.var
        const read = () => getImport(ctx, kind.name, c.req.valid('param').job_id)
        const readJob = async (asksKey: boolean) => (asksKey && (await isRevoked(ctx)) ? null : read())
        const first = await read()
        if (isOver(first) && c.req.header('Last-Event-ID') === END) return c.body(null, 204)
        return streamEvents((disconnected) =>
          progressEvents({ first, readJob, toEvent: replies.progress }, disconnected),
        )
      },
    )

  const list = resource().get(
    '/',
    doc(`List imports of ${records}, newest first`, 200, replies.Jobs, LIST_FORMS),
    mayRead,
    query(ListImports, whose),
    async (c) => {
      const { total, page } = await listImports(c.var.ctx, kind.name, c.req.valid('query'))
      const all = replies.jobs(total, page.rows, c.var.ctx.now)
      return replyListed(c, replies.Summary, { rows: all.jobs, next: page.next }, () => json(c, all))
    },
  )

  const jobs = resource()
    .get(
      '/:job_id/failed.csv',
      sendsCsv('Download the rows that failed', `${columns}, row and reason`),
      mayRead,
      noQuery(),
      async (c) => csvOf(c, kind, c.req.param('job_id'), 'failed'),
    )
    .get(
      '/:job_id/succeeded.csv',
      sendsCsv(`Download the rows that became ${records}`, `${columns}, row and id`),
      mayRead,
      noQuery(),
      async (c) => csvOf(c, kind, c.req.param('job_id'), 'succeeded'),
    )
    .post(
      '/:job_id/rows',
      noDeadline,
      doc('Repair an import: send its failed.csv, or a part of it, with corrected rows', 202, ReopenedImport),
      refuses('idempotency_key_required', 'invalid_file', 'not_found', 'import_not_finished'),
      takesFile(`${columns} and row`),
      mayWrite,
      noQuery(),
      replayUpload(async (c) => fingerprintOf(c.req, await sha256Of(fileOf(c).bytes), NO_FIELDS)),
      async (c) => {
        const jobId = c.req.param('job_id')
        const { rows, notes } = await repairImport(c.var.ctx, jobId, {
          kind,
          key: requiredKey(c),
          file: fileOf(c),
          fingerprint: (sha256) => fingerprintOf(c.req, sha256, NO_FIELDS),
        })
        return json(
          c,
          replies.reopened(jobId, rows === 1 ? '1 row runs again' : `${rows} rows run again`, notes),
          202,
        )
      },
    )
    .post(
      '/:job_id/cancel',
      doc('Cancel an import', 200, replies.Status),
      refuses('not_found', 'import_over'),
      mayWrite,
      noBody,
      replay,
      async (c) => {
        const facts = await cancelImport(c.var.ctx, kind, c.req.param('job_id'))
        return json(c, { ...replies.status(facts, c.var.ctx.now), result: null })
      },
    )
    .post(
      '/:job_id/resume',
      doc('Resume an import that was cancelled or failed', 202, ReopenedImport),
      refuses('not_found', 'import_over', 'import_not_finished'),
      mayWrite,
      noBody,
      replay,
      async (c) => {
        const jobId = c.req.param('job_id')
        await resumeImport(c.var.ctx, kind, jobId)
        return json(c, replies.reopened(jobId, 'The import continues'), 202)
      },
    )

  return { uploads, status, list, jobs }
}

const STREAM = {
  summary: 'Follow an import as it runs',
  description: [
    'Server-sent events: `progress` at once and after each change, `end` when the import is over.',
    'After `end`, close the stream: an EventSource that reconnects anyway gets 204.',
    'A stream ends after five minutes at the latest. If it ends without `end`, reconnect to continue.',
    '`eta_seconds` is null while no rate is known.',
  ],
  lastEventId: 'A browser sends it when it reconnects.',
}
const STREAM_OVER = { 204: { description: 'The import is over, and you have received `end`' } }

/** `name, address and optionally phone` */
function columnsOf({ columns }: Kind): string {
  const names = (isRequired: boolean) =>
    columns.flatMap((column) => (column.isRequired === isRequired ? [column.name] : [])).join(', ')
  return names(false) === '' ? names(true) : `${names(true)} and optionally ${names(false)}`
}

/** Equal for two uploads that are one request. The same file in another mode is another request. */
function uploadFingerprint(c: Context<App>, sha256: string): Fingerprint {
  const options = parse(UploadOptions, c.req.query())
  const earlier = () => [[sha256, options.mode, String(options.dry_run)]]
  return fingerprintOf(c.req, { ...options, file: sha256 }, UPLOAD_FIELDS, earlier)
}

const UPLOAD_FIELDS = fieldsOf(UploadOptions)

const fileOf = (c: Context<App>) => arrivingFile(c.req.raw, c.env)

const csvOf = async (c: Context<App>, kind: Kind, jobId: string, outcome: Outcome): Promise<Response> =>
  c.body(streamOf(await rowsAsCsv(c.var.ctx, kind, jobId, outcome)), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${outcome}.csv"`,
  })
