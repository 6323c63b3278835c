import * as v from 'valibot'
import { OnDate } from '../doctors/model'
import { body, doc, needs, query, reply, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { checkIn, listQueue } from './actions'
import { CheckedIn, CheckIn, Queued } from './model'

export const checkins = resource()
  .post(
    '/',
    doc(
      'Check a patient in',
      201,
      CheckedIn,
      'not_found',
      'wrong_patient',
      'already_checked_in',
      'wrong_date',
    ),
    needs('checkins:write'),
    body(CheckIn),
    replay,
    async (c) => reply(c, CheckedIn, await checkIn(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/doctors/:doctor_id/queue',
    doc('Who has checked in with a doctor, in order of arrival', 200, v.array(Queued), 'not_found'),
    needs('checkins:read'),
    query(OnDate),
    async (c) =>
      reply(
        c,
        v.array(Queued),
        await listQueue(c.var.ctx, c.req.param('doctor_id'), c.req.valid('query').date),
      ),
  )
