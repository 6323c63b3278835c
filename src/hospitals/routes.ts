import * as v from 'valibot'
import { doc, linkNext, needs, query, reply, replyPage, resource } from '../http/endpoint'
import { receive, replayFile, takesFile } from '../imports/door'
import { ListImports } from '../imports/job'
import { getImport, listImports } from '../imports/jobs'
import { JSON_TYPE, statusText } from '../imports/result'
import { activateBatch, getHospital, listHospitals } from './actions'
import { HOSPITALS } from './bulk'
import {
  AcceptedImport,
  ActivatedBatch,
  ImportJobs,
  ImportStatus,
  toAccepted,
  toStatus,
  toSummary,
} from './job'
import { Hospital, ListHospitals } from './model'

export const hospitals = resource()
  .post(
    '/bulk',
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
    replayFile,
    async (c) => reply(c, AcceptedImport, toAccepted(await receive(c, HOSPITALS)), 202),
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
    async (c) => {
      const facts = await getImport(c.var.ctx, 'hospitals', c.req.param('job_id'))
      const status = v.parse(ImportStatus, toStatus(facts, c.var.ctx.now))
      const created = facts.job.activatedAt === null ? 'created' : 'created_and_activated'
      const text = statusText(c.var.ctx, facts.job, status, { list: 'hospitals', created })
      return c.body(text, 200, JSON_TYPE)
    },
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
    '/',
    doc('List and search active hospitals', 200, v.array(Hospital)),
    needs('hospitals:read'),
    query(ListHospitals),
    async (c) => replyPage(c, Hospital, await listHospitals(c.var.ctx, c.req.valid('query'))),
  )
  .get('/:id', doc('Get a hospital', 200, Hospital, 'not_found'), needs('hospitals:read'), async (c) =>
    reply(c, Hospital, await getHospital(c.var.ctx, c.req.param('id'))),
  )
