import * as v from 'valibot'
import { needs } from '../access/permissions'
import { CHANGE_PROBLEMS, DAY_PROBLEMS, OFF_PROBLEMS } from '../doctor-day/refusals'
import { body, doc, noBody, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { LIST_FORMS } from '../http/lists/form'
import { callNext, checkIn, getWait, listQueue, takeBack, takeStep, walkIn } from './actions'
import {
  AskQueue,
  AskWait,
  CallNext,
  CheckedIn,
  CheckIn,
  Queued,
  STEP_PATH,
  Standing,
  Undone,
  Wait,
  WalkIn,
} from './model'

const UNDO_PROBLEMS = [...CHANGE_PROBLEMS, 'not_found', 'illegal_step', 'too_late_to_undo', 'moving'] as const

export const checkins = resource()
  .post(
    '/',
    doc('Check a patient in', 201, CheckedIn),
    refuses(
      ...CHANGE_PROBLEMS,
      'not_found',
      'wrong_patient',
      'already_checked_in',
      'already_cancelled',
      'wrong_date',
      'moving',
    ),
    needs('checkins:write'),
    body(CheckIn, 'contract'),
    replay,
    async (c) => reply(c, CheckedIn, await checkIn(c.var.ctx, c.req.valid('json')), 201),
  )
  .post(
    '/walk-in',
    doc('Book for today and check in at once', 201, CheckedIn),
    refuses(
      ...CHANGE_PROBLEMS,
      'not_found',
      'service_not_offered',
      ...OFF_PROBLEMS,
      'day_full',
      'already_booked',
      'wrong_date',
    ),
    needs('checkins:write'),
    body(WalkIn),
    replay,
    async (c) => reply(c, CheckedIn, await walkIn(c.var.ctx, c.req.valid('json')), 201),
  )
  .post(
    '/doctors/:doctor_id/queue/next',
    doc('Call the next patient into a room; 204 when no patient waits', [200, 204], Queued),
    refuses(...CHANGE_PROBLEMS, 'not_found'),
    needs('checkins:write'),
    body(CallNext),
    async (c) => {
      const called = await callNext(c.var.ctx, c.req.param('doctor_id'), c.req.valid('json'))
      return called ? reply(c, Queued, called) : c.body(null, 204)
    },
  )
  .post(
    '/:appointment_id/uncheck-in',
    doc('Undo a check-in: the appointment is booked, and not in the queue', 200, Undone),
    refuses(...UNDO_PROBLEMS),
    needs('checkins:write'),
    noBody,
    replay,
    async (c) => reply(c, Undone, await takeBack(c.var.ctx, c.req.param('appointment_id'), 'uncheck_in')),
  )
  .post(
    '/:appointment_id/unserve',
    doc('Undo that a visit was completed: the patient is called, in the same room', 200, Undone),
    refuses(...UNDO_PROBLEMS),
    needs('checkins:write'),
    noBody,
    replay,
    async (c) => reply(c, Undone, await takeBack(c.var.ctx, c.req.param('appointment_id'), 'unserve')),
  )
  .post(
    `/:appointment_id/${STEP_PATH}`,
    doc('Serve, skip, requeue or recall a patient, or record a no-show', 200, Standing),
    refuses(...CHANGE_PROBLEMS, 'not_found', 'illegal_step', 'wrong_date', 'moving'),
    needs('checkins:write'),
    noBody,
    replay,
    async (c) =>
      reply(c, Standing, await takeStep(c.var.ctx, c.req.param('appointment_id'), c.req.param('step'))),
  )
  .get(
    '/:appointment_id',
    doc('Get the number of patients ahead and the estimated wait, now or at an instant', 200, Wait),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('checkins:read'),
    query(AskWait),
    async (c) =>
      reply(c, Wait, await getWait(c.var.ctx, c.req.param('appointment_id'), c.req.valid('query'))),
  )
  .get(
    '/doctors/:doctor_id/queue',
    doc('List the check-ins with a doctor, in order of arrival, now or at an instant', 200, v.array(Queued)),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('checkins:read'),
    query(AskQueue, 'contract', LIST_FORMS),
    async (c) =>
      replyPage(c, Queued, {
        rows: await listQueue(c.var.ctx, c.req.param('doctor_id'), c.req.valid('query')),
        next: null,
      }),
  )
