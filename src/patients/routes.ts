import * as v from 'valibot'
import { mayUse, needs } from '../access/permissions'
import { body, doc, noQuery, query, refuses, reply, resource } from '../http/endpoint'
import { ifMatch, withEtag } from '../http/etag'
import { importRoutes } from '../imports/routes'
import { findPatient, getPatient, registerPatient } from './actions'
import { changePatient } from './change'
import { PATIENT_WORDS, PATIENTS } from './import'
import { ChangePatient, FindPatient, NewPatient, Patient, RegisteredPatient } from './model'

const Found = v.nullable(Patient)
const { uploads, status, list, jobs } = importRoutes(PATIENTS, PATIENT_WORDS)

export const patients = resource()
  .post(
    '/',
    doc('Register a patient; a known patient gets 200', [201, 200], v.union([Patient, RegisteredPatient])),
    refuses('phone_in_use'),
    needs('patients:write'),
    body(NewPatient, 'contract'),
    async (c) => {
      const { patient, etag, created } = await registerPatient(c.var.ctx, c.req.valid('json'))
      const status = created ? 201 : 200
      // A key that may not read patients must not read one by naming a known name and phone.
      if (!mayUse(c.var.ctx, 'patients:read'))
        return reply(c, RegisteredPatient, { id: patient.id, created }, status)
      withEtag(c, etag)
      return reply(c, Patient, patient, status)
    },
  )
  .route('/bulk', uploads)
  .route('/bulk', list)
  .route('/bulk', jobs)
  .route('/bulk/:job_id', status)
  .get(
    '/search',
    doc('Find the patient who was registered first with a phone; null if there is none', 200, Found),
    needs('patients:read'),
    query(FindPatient, 'contract'),
    async (c) => reply(c, Found, await findPatient(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a patient', 200, Patient),
    refuses('not_found'),
    needs('patients:read'),
    noQuery('contract'),
    async (c) => {
      const { patient, etag } = await getPatient(c.var.ctx, c.req.param('id'))
      withEtag(c, etag)
      return reply(c, Patient, patient)
    },
  )
  .patch(
    '/:id',
    doc('Change a patient', 200, Patient),
    refuses('not_found', 'if_match_required', 'record_changed', 'phone_in_use', 'idempotency_key_reused'),
    needs('patients:write', 'patients:read'),
    ifMatch.documented,
    body(ChangePatient),
    async (c) => {
      const read = ifMatch.of(c)
      const { patient, etag } = await changePatient(c.var.ctx, c.req.param('id'), c.req.valid('json'), read)
      withEtag(c, etag)
      return reply(c, Patient, patient)
    },
  )
