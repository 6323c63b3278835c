import { describeRoute } from 'hono-openapi'
import * as v from 'valibot'
import { doc, linkNext, needs, query, reply, replyPage, resource } from '../http/endpoint'
import { fingerprintOf, replayUpload, requiredKey } from '../http/idempotency'
import { fileBytes } from '../imports/file'
import { sha256Of } from '../imports/staging'
import { startImport } from '../imports/upload'
import { activateBatch, getHospital, getImport, listHospitals, listImports } from './actions'
import { HOSPITALS } from './bulk'
import { AcceptedImport, ActivatedBatch, ImportJobs, ImportStatus, ListImports, toAccepted } from './job'
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
    TAKES_FILE,
    needs('hospitals:write'),
    replayUpload((c) => sha256Of(fileBytes(c.req.raw, c.env))),
    async (c) => {
      const accepted = await startImport(c.var.ctx, {
        kind: HOSPITALS,
        key: requiredKey(c),
        file: fileBytes(c.req.raw, c.env),
        fingerprint: (sha256) => fingerprintOf(c, sha256),
      })
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
    async (c) => {
      const facts = await getImport(c.var.ctx, c.req.param('job_id'))
      return c.body(statusText(c.var.ctx, facts), 200, { 'Content-Type': 'application/json' })
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
    '/',
    doc('List and search active hospitals', 200, v.array(Hospital)),
    needs('hospitals:read'),
    query(ListHospitals),
    async (c) => replyPage(c, Hospital, await listHospitals(c.var.ctx, c.req.valid('query'))),
  )
  .get('/:id', doc('Get a hospital', 200, Hospital, 'not_found'), needs('hospitals:read'), async (c) =>
    reply(c, Hospital, await getHospital(c.var.ctx, c.req.param('id'))),
  )
