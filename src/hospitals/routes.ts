import * as v from 'valibot'
import { needs } from '../access/permissions'
import { doc, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { tellsErrorType } from '../http/failure'
import { importRoutes } from '../imports/routes'
import { activateBatch, getHospital, listHospitals } from './actions'
import { HOSPITAL_WORDS, HOSPITALS } from './import'
import { ActivatedBatch, Hospital, ListHospitals } from './model'

const { uploads, status, list, jobs } = importRoutes(HOSPITALS, HOSPITAL_WORDS)

export const hospitals = resource()
  .use(tellsErrorType)
  .route('/bulk', uploads)
  .route('/status/:job_id', status)
  .route('/jobs', list)
  .route('/jobs', jobs)
  .patch(
    '/bulk/batch/:batch_id/activate',
    doc('Activate a batch', 200, ActivatedBatch),
    refuses('not_found', 'import_not_finished'),
    needs('hospitals:write'),
    noQuery('contract'),
    async (c) => reply(c, ActivatedBatch, await activateBatch(c.var.ctx, c.req.param('batch_id'))),
  )
  .get(
    '/',
    doc('List and search active hospitals', 200, v.array(Hospital)),
    needs('hospitals:read'),
    query(ListHospitals),
    async (c) => replyPage(c, Hospital, await listHospitals(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a hospital', 200, Hospital),
    refuses('not_found'),
    needs('hospitals:read'),
    noQuery(),
    async (c) => reply(c, Hospital, await getHospital(c.var.ctx, c.req.param('id'))),
  )
