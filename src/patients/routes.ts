import * as v from 'valibot'
import { mayUse, needs } from '../access/permissions'
import {
  body,
  doc,
  documents,
  noQuery,
  query,
  refuses,
  reply,
  replyPage,
  resource,
  tellNext,
} from '../http/endpoint'
import { ifMatch, withEtag } from '../http/etag'
import { LIST_FORMS } from '../http/lists/form'
import { importRoutes } from '../imports/routes'
import { findPatient, getPatient, registerPatient } from './actions'
import { changePatient } from './change'
import { ListPatients, listPatients, SearchPatients } from './finding'
import { PATIENT_WORDS, PATIENTS } from './import'
import {
  ChangePatient,
  FindPatient,
  KnownPatient,
  MergedPatient,
  NewPatient,
  Patient,
  RegisteredPatient,
} from './model'

const paged = documents({
  description:
    'A page may have fewer patients than `limit`, or none, and another one follow. `X-Next-Cursor` is the ' +
    '`cursor` of the next page; on the last page the header is missing.',
})
const Found = v.nullable(Patient)
const { uploads, status, list, jobs } = importRoutes(PATIENTS, PATIENT_WORDS)

export const patients = resource()
  .post(
    '/',
    doc(
      'Register a patient; a known patient gets 200, unchanged',
      [201, 200],
      v.union([KnownPatient, Patient, RegisteredPatient]),
    ),
    // Not found: the request has registered a patient who was erased since.
    refuses('phone_in_use', 'identifier_in_use', 'not_found'),
    needs('patients:write'),
    body(NewPatient, 'contract'),
    async (c) => {
      const { patient, etag, created, differs } = await registerPatient(c.var.ctx, c.req.valid('json'))
      const status = created ? 201 : 200
      // A key that may not read patients must not read one by naming a known name and phone.
      if (!mayUse(c.var.ctx, 'patients:read'))
        return reply(c, RegisteredPatient, { id: patient.id, created }, status)
      withEtag(c, etag)
      if (!created) return reply(c, KnownPatient, { ...patient, differs }, 200)
      return reply(c, Patient, patient, 201)
    },
  )
  .get(
    '/',
    doc('List and search patients', 200, v.array(Patient)),
    paged,
    needs('patients:read'),
    query(ListPatients),
    async (c) => {
      const page = await listPatients(c.var.ctx, c.req.valid('query'))
      tellNext(c, page.next)
      return replyPage(c, Patient, page)
    },
  )
  .route('/bulk', uploads)
  .route('/bulk', list)
  .route('/bulk', jobs)
  .route('/bulk/:job_id', status)
  .post(
    '/search',
    doc('Search patients, so that no name stands in a URL; it changes nothing', 200, v.array(Patient)),
    paged,
    needs('patients:read'),
    body(SearchPatients, 'ours', LIST_FORMS),
    async (c) => {
      const { rows, next } = await listPatients(c.var.ctx, c.req.valid('json'))
      tellNext(c, next)
      // No Link can name the next page.
      return replyPage(c, Patient, { rows, next: null })
    },
  )
  .get(
    '/search',
    doc('Find the patient who was registered first with a phone; null if there is none', 200, Found),
    needs('patients:read'),
    query(FindPatient, 'contract'),
    async (c) => reply(c, Found, await findPatient(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc(
      'Get a patient; by the id of a merged record the one in use, whose id is merged_into',
      200,
      v.union([MergedPatient, Patient]),
    ),
    refuses('not_found'),
    needs('patients:read'),
    noQuery('contract'),
    async (c) => {
      const { patient, etag, mergedInto } = await getPatient(c.var.ctx, c.req.param('id'))
      withEtag(c, etag)
      if (mergedInto === null) return reply(c, Patient, patient)
      return reply(c, MergedPatient, { ...patient, merged_into: mergedInto })
    },
  )
  .patch(
    '/:id',
    doc('Change a patient', 200, Patient),
    refuses(
      ...(['not_found', 'if_match_required', 'record_changed', 'idempotency_key_reused'] as const),
      ...(['phone_in_use', 'identifier_in_use', 'patient_merged'] as const),
    ),
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
