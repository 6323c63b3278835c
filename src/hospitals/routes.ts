import type { Context } from 'hono'
import { describeRoute } from 'hono-openapi'
import * as v from 'valibot'
import type { App } from '../context'
import { doc, linkNext, needs, noBody, query, reply, replyPage, resource } from '../http/endpoint'
import { fingerprintOf, replay, replayUpload, requiredKey } from '../http/idempotency'
import { streamOf } from '../http/stream'
import { resumeImport } from '../imports/control'
import { type Ended, rowsAsCsv } from '../imports/download'
import { forecast } from '../imports/dry-run'
import { fileBytes } from '../imports/file'
import { repairImport } from '../imports/repair'
import { sha256Of } from '../imports/staging'
import { startImport } from '../imports/upload'
import { activateBatch, cancelHospitals, getHospital, getImport, listHospitals, listImports } from './actions'
import { HOSPITALS } from './bulk'
import {
  AcceptedImport,
  ActivatedBatch,
  DryRun,
  ImportJobs,
  ImportStatus,
  ListImports,
  ListRows,
  ReopenedImport,
  toAccepted,
  toReopened,
  UploadOptions,
} from './job'
import { Hospital, ListHospitals } from './model'
import { statusText } from './result'

/** What no schema here can say: the body is a file, and this is the one route that insists on a key. */
const TAKES_FILE = describeRoute({
  requestBody: {
    required: true,
    description: 'CSV in UTF-8 with the columns name, address and, if you like, phone, in any order.',
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: ['file'],
          properties: { file: { type: 'string', format: 'binary', description: 'A file named *.csv' } },
        },
      },
      'text/csv': { schema: { type: 'string', description: 'The file itself' } },
    },
  },
  parameters: [
    {
      name: 'Idempotency-Key',
      in: 'header',
      required: true,
      description:
        'Any text of your own. The same key and file again within 300 seconds get the first answer.',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    },
  ],
})

/** What makes two uploads one request. The same file under another mode is another request. */
const uploadInput = (c: Context<App>, sha256: string) => [
  sha256,
  c.req.query('mode') ?? 'strict',
  c.req.query('dry_run') ?? 'false',
]

/** A file is no JSON, so `doc` cannot say it. */
const downloads = (summary: string, columns: string) =>
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

const sendCsv = async (c: Context<App>, jobId: string, ended: Ended): Promise<Response> =>
  c.body(streamOf(await rowsAsCsv(c.var.ctx, HOSPITALS, jobId, ended)), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${ended}.csv"`,
  })

export const hospitals = resource()
  .post(
    '/bulk',
    doc('With dry_run: what the import would do', 200, DryRun),
    doc(
      'Import hospitals from a CSV file',
      202,
      AcceptedImport,
      'idempotency_key_required',
      'invalid_request',
      'invalid_file',
    ),
    TAKES_FILE,
    needs('hospitals:write'),
    query(UploadOptions),
    replayUpload(async (c) => uploadInput(c, await sha256Of(fileBytes(c.req.raw, c.env)))),
    async (c) => {
      const { mode, dry_run } = c.req.valid('query')
      const file = fileBytes(c.req.raw, c.env)
      if (dry_run) return reply(c, DryRun, await forecast(c.var.ctx, HOSPITALS, file))
      const fingerprint = (sha256: string) => fingerprintOf(c, uploadInput(c, sha256))
      const key = requiredKey(c)
      const accepted = await startImport(c.var.ctx, { kind: HOSPITALS, mode, key, file, fingerprint })
      return reply(c, AcceptedImport, toAccepted(accepted), 202)
    },
  )
  .patch(
    '/bulk/batch/:batch_id/activate',
    doc('Activate a batch', 200, ActivatedBatch, 'not_found', 'import_not_finished'),
    needs('hospitals:write'),
    async (c) => reply(c, ActivatedBatch, await activateBatch(c.var.ctx, c.req.param('batch_id'))),
  )
  .get(
    '/status/:job_id',
    doc('Get the status of an import', 200, ImportStatus, 'not_found'),
    needs('hospitals:read'),
    query(ListRows),
    async (c) => {
      const facts = await getImport(c.var.ctx, c.req.param('job_id'))
      const { text, next } = await statusText(c.var.ctx, facts, c.req.valid('query'))
      linkNext(c, next)
      return c.body(text, 200, { 'Content-Type': 'application/json' })
    },
  )
  .get(
    '/jobs',
    doc('List imports, newest first', 200, ImportJobs),
    needs('hospitals:read'),
    query(ListImports),
    async (c) => {
      const { total, page } = await listImports(c.var.ctx, c.req.valid('query'))
      linkNext(c, page.next)
      return reply(c, ImportJobs, { total_jobs: total, jobs: page.rows })
    },
  )
  .get(
    '/jobs/:job_id/failed.csv',
    downloads('Download the rows that failed', 'name, address, phone, row and reason'),
    needs('hospitals:read'),
    async (c) => sendCsv(c, c.req.param('job_id'), 'failed'),
  )
  .get(
    '/jobs/:job_id/succeeded.csv',
    downloads('Download the rows that became hospitals', 'name, address, phone, row and id'),
    needs('hospitals:read'),
    async (c) => sendCsv(c, c.req.param('job_id'), 'succeeded'),
  )
  .post(
    '/jobs/:job_id/rows',
    doc(
      'Run failed rows again, corrected: the body is failed.csv, or a part of it',
      202,
      ReopenedImport,
      'idempotency_key_required',
      'invalid_file',
      'not_found',
      'import_not_finished',
    ),
    TAKES_FILE,
    needs('hospitals:write'),
    replayUpload((c) => sha256Of(fileBytes(c.req.raw, c.env))),
    async (c) => {
      const jobId = c.req.param('job_id')
      const rows = await repairImport(c.var.ctx, jobId, {
        kind: HOSPITALS,
        key: requiredKey(c),
        file: fileBytes(c.req.raw, c.env),
        fingerprint: (sha256) => fingerprintOf(c, sha256),
      })
      return reply(c, ReopenedImport, toReopened(jobId, `${rows} rows run again`), 202)
    },
  )
  .post(
    '/jobs/:job_id/cancel',
    doc('Cancel an import', 200, ImportStatus, 'not_found', 'import_over'),
    needs('hospitals:write'),
    noBody,
    replay,
    async (c) => reply(c, ImportStatus, await cancelHospitals(c.var.ctx, c.req.param('job_id'))),
  )
  .post(
    '/jobs/:job_id/resume',
    doc(
      'Go on with an import that was cancelled or failed',
      202,
      ReopenedImport,
      'not_found',
      'import_over',
      'import_not_finished',
    ),
    needs('hospitals:write'),
    noBody,
    replay,
    async (c) => {
      const jobId = c.req.param('job_id')
      await resumeImport(c.var.ctx, HOSPITALS, jobId)
      return reply(c, ReopenedImport, toReopened(jobId, 'The import goes on'), 202)
    },
  )
  .get(
    '/',
    doc('List and search active hospitals', 200, v.array(Hospital)),
    needs('hospitals:read'),
    query(ListHospitals),
    async (c) => replyPage(c, Hospital, await listHospitals(c.var.ctx, c.req.valid('query'))),
  )
  .get('/:id', doc('Get a hospital', 200, Hospital, 'not_found'), needs('hospitals:read'), async (c) =>
    reply(c, Hospital, await getHospital(c.var.ctx, c.req.param('id'))),
  )
