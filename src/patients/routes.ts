import { body, doc, needs, reply, resource } from '../http/endpoint'
import { getPatient, registerPatient } from './actions'
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
  .get('/:id', doc('Get a patient', 200, Patient, 'not_found'), needs('patients:read'), async (c) =>
    reply(c, Patient, await getPatient(c.var.ctx, c.req.param('id'))),
  )
