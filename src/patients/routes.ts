import { needs } from '../access/permissions'
import { body, doc, refuses, reply, resource } from '../http/endpoint'
import { importRoutes } from '../imports/routes'
import { getPatient, registerPatient } from './actions'
import { PATIENT_WORDS, PATIENTS } from './import'
import { NewPatient, Patient } from './model'

const { uploads, status, jobs } = importRoutes(PATIENTS, PATIENT_WORDS)

export const patients = resource()
  .post(
    '/',
    doc('Register a patient; a known patient gets 200', [201, 200], Patient),
    refuses('phone_in_use'),
    needs('patients:write'),
    body(NewPatient),
    async (c) => {
      const { patient, created } = await registerPatient(c.var.ctx, c.req.valid('json'))
      return reply(c, Patient, patient, created ? 201 : 200)
    },
  )
  .route('/bulk', uploads)
  .route('/bulk', jobs)
  .route('/bulk/:job_id', status)
  .get('/:id', doc('Get a patient', 200, Patient), refuses('not_found'), needs('patients:read'), async (c) =>
    reply(c, Patient, await getPatient(c.var.ctx, c.req.param('id'))),
  )
