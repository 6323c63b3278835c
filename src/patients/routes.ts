import * as v from 'valibot'
import { body, doc, linkNext, needs, query, reply, resource } from '../http/endpoint'
import { downloads, fileOf, receive, replayFile, sendCsv, takesFile } from '../imports/door'
import { forecast } from '../imports/dry-run'
import { DryRun, ListImports, ListRows, UploadOptions } from '../imports/job'
import { getImport, listImports } from '../imports/jobs'
import { follow, followed } from '../imports/live-door'
import { JSON_TYPE, statusText } from '../imports/result'
import { getPatient, registerPatient } from './actions'
import { PATIENTS } from './bulk'
import {
  AcceptedPatients,
  inProgress,
  PatientsJobs,
  PatientsStatus,
  toAccepted,
  toStatus,
  toSummary,
} from './job'
import { NewPatient, Patient } from './model'

export const patients = resource()
  .post(
    '/',
    doc('Register a patient; one known already is answered with 200', [201, 200], Patient, 'phone_in_use'),
    needs('patients:write'),
    body(NewPatient),
    async (c) => {
      const { patient, created } = await registerPatient(c.var.ctx, c.req.valid('json'))
      return reply(c, Patient, patient, created ? 201 : 200)
    },
  )
  .post(
    '/bulk',
    doc('With dry_run: what the import would do', 200, DryRun),
    doc(
      'Import patients from a CSV file',
      202,
      AcceptedPatients,
      'idempotency_key_required',
      'invalid_request',
      'invalid_file',
    ),
    takesFile('name, phone and, if you like, age, gender, email, shared_phone (true or false)'),
    needs('patients:write'),
    query(UploadOptions),
    replayFile,
    async (c) => {
      const { mode, dry_run } = c.req.valid('query')
      if (dry_run) return reply(c, DryRun, await forecast(c.var.ctx, PATIENTS, fileOf(c)))
      return reply(c, AcceptedPatients, toAccepted(await receive(c, PATIENTS, mode)), 202)
    },
  )
  .get(
    '/bulk',
    doc('List imports of patients, newest first', 200, PatientsJobs),
    needs('patients:read'),
    query(ListImports),
    async (c) => {
      const { total, page } = await listImports(c.var.ctx, 'patients', c.req.valid('query'))
      linkNext(c, page.next)
      return reply(c, PatientsJobs, { total_jobs: total, jobs: page.rows.map(toSummary) })
    },
  )
  .get(
    '/bulk/:job_id',
    doc('Get the status of an import of patients', 200, PatientsStatus, 'not_found'),
    needs('patients:read'),
    query(ListRows),
    async (c) => {
      const facts = await getImport(c.var.ctx, 'patients', c.req.param('job_id'))
      const status = v.parse(PatientsStatus, toStatus(facts, c.var.ctx.now))
      const listed = { list: 'patients', created: 'created' }
      const { text, next } = await statusText(c.var.ctx, facts.job, status, listed, c.req.valid('query'))
      linkNext(c, next)
      return c.body(text, 200, JSON_TYPE)
    },
  )
  .get('/bulk/:job_id/live', followed(inProgress.schema), needs('patients:read'), (c) =>
    follow(c, { kind: 'patients', id: c.req.param('job_id') }, inProgress),
  )
  .get(
    '/bulk/:job_id/failed.csv',
    downloads(
      'Download the rows that failed',
      'name, phone, age, gender, email, shared_phone, row and reason',
    ),
    needs('patients:read'),
    async (c) => sendCsv(c, PATIENTS, c.req.param('job_id'), 'failed'),
  )
  .get('/:id', doc('Get a patient', 200, Patient, 'not_found'), needs('patients:read'), async (c) =>
    reply(c, Patient, await getPatient(c.var.ctx, c.req.param('id'))),
  )
