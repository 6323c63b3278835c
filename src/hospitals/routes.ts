import * as v from 'valibot'
import { doc, linkNext, needs, noBody, query, reply, replyPage, resource } from '../http/endpoint'
import { fingerprintOf, replay, replayUpload, requiredKey } from '../http/idempotency'
import { resumeImport } from '../imports/control'
import { downloads, fileOf, receive, replayFile, sendCsv, takesFile } from '../imports/door'
import { forecast } from '../imports/dry-run'
import { DryRun, ListImports, ListRows, UploadOptions } from '../imports/job'
import { getImport, listImports } from '../imports/jobs'
import { follow, followed } from '../imports/live-door'
import { repairImport } from '../imports/repair'
import { JSON_TYPE, statusText } from '../imports/result'
import { sha256Of } from '../imports/staging'
import { activateBatch, cancelHospitals, getHospital, listHospitals } from './actions'
import { HOSPITALS } from './bulk'
import {
  AcceptedImport,
  ActivatedBatch,
  ImportJobs,
  ImportStatus,
  inProgress,
  ReopenedImport,
  toAccepted,
  toReopened,
  toStatus,
  toSummary,
} from './job'
import { Hospital, ListHospitals } from './model'

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
    takesFile('name, address and, if you like, phone'),
    needs('hospitals:write'),
    query(UploadOptions),
    replayFile,
    async (c) => {
      const { mode, dry_run } = c.req.valid('query')
      if (dry_run) return reply(c, DryRun, await forecast(c.var.ctx, HOSPITALS, fileOf(c)))
      return reply(c, AcceptedImport, toAccepted(await receive(c, HOSPITALS, mode)), 202)
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
      const facts = await getImport(c.var.ctx, 'hospitals', c.req.param('job_id'))
      const status = v.parse(ImportStatus, toStatus(facts, c.var.ctx.now))
      const created = facts.job.activatedAt === null ? 'created' : 'created_and_activated'
      const listed = { list: 'hospitals', created }
      const { text, next } = await statusText(c.var.ctx, facts.job, status, listed, c.req.valid('query'))
      linkNext(c, next)
      return c.body(text, 200, JSON_TYPE)
    },
  )
  .get('/status/:job_id/live', followed(inProgress.schema), needs('hospitals:read'), (c) =>
    follow(c, { kind: 'hospitals', id: c.req.param('job_id') }, inProgress),
  )
  .get(
    '/jobs',
    doc('List imports, newest first', 200, ImportJobs),
    needs('hospitals:read'),
    query(ListImports),
    async (c) => {
      const { total, page } = await listImports(c.var.ctx, 'hospitals', c.req.valid('query'))
      linkNext(c, page.next)
      return reply(c, ImportJobs, { total_jobs: total, jobs: page.rows.map(toSummary) })
    },
  )
  .get(
    '/jobs/:job_id/failed.csv',
    downloads('Download the rows that failed', 'name, address, phone, row and reason'),
    needs('hospitals:read'),
    async (c) => sendCsv(c, HOSPITALS, c.req.param('job_id'), 'failed'),
  )
  .get(
    '/jobs/:job_id/succeeded.csv',
    downloads('Download the rows that became hospitals', 'name, address, phone, row and id'),
    needs('hospitals:read'),
    async (c) => sendCsv(c, HOSPITALS, c.req.param('job_id'), 'succeeded'),
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
    takesFile('name, address, phone and row'),
    needs('hospitals:write'),
    replayUpload((c) => sha256Of(fileOf(c))),
    async (c) => {
      const jobId = c.req.param('job_id')
      const rows = await repairImport(c.var.ctx, jobId, {
        kind: HOSPITALS,
        key: requiredKey(c),
        file: fileOf(c),
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
