import * as v from 'valibot'
import { needs } from '../access/permissions'
import {
  CHANGE_PROBLEMS,
  DATE_PROBLEMS,
  DAY_PROBLEMS,
  OFF_PROBLEMS,
  SLOT_PROBLEMS,
} from '../doctor-day/refusals'
import { OnDate } from '../doctors/model'
import { body, doc, noBody, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { LIST_FORMS } from '../http/lists/form'
import {
  acceptOffer,
  book,
  cancel,
  getWish,
  holdSlot,
  joinWaitlist,
  leaveWaitlist,
  releaseHold,
  reschedule,
} from './actions'
import { listAppointments, listDay, listWaitlist } from './lists'
import {
  Appointment,
  BookAppointment,
  CancelAppointment,
  Hold,
  ListAppointments,
  NewHold,
  ReleasedHold,
  Reschedule,
} from './model'
import { AppointmentDetails, ChangeAppointment, changeAppointment, getDetails } from './texts'
import {
  AskWaitlist,
  JoinedWaitlist,
  JoinWaitlist,
  LeftWaitlist,
  WaitingPlace,
  WaitingWish,
} from './waitlist'

export const appointments = resource()
  .post(
    '/',
    doc('Book an appointment, in a chosen slot or the first free one', 201, Appointment),
    refuses(
      ...CHANGE_PROBLEMS,
      ...DATE_PROBLEMS,
      ...SLOT_PROBLEMS,
      'not_found',
      'service_not_offered',
      ...OFF_PROBLEMS,
      'day_full',
      'already_booked',
      'hold_over',
    ),
    needs('appointments:write'),
    body(BookAppointment, 'contract'),
    replay,
    async (c) => reply(c, Appointment, await book(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc(
      'List appointments across days, by date; a change shows within half a second, or with at_least at once',
      200,
      v.array(Appointment),
    ),
    refuses('not_found'),
    needs('appointments:read'),
    query(ListAppointments),
    async (c) => replyPage(c, Appointment, await listAppointments(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/waitlist',
    doc(
      'List the patients who wait for a doctor’s day, in order, now or at an instant',
      200,
      v.array(WaitingPlace),
    ),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('appointments:read'),
    query(AskWaitlist, 'ours', LIST_FORMS),
    async (c) => {
      const rows = await listWaitlist(c.var.ctx, c.req.valid('query'))
      return replyPage(c, WaitingPlace, { rows, next: null })
    },
  )
  .get(
    '/:id',
    doc('Get an appointment, with its reason and notes', 200, AppointmentDetails),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('appointments:read'),
    noQuery('contract'),
    async (c) => reply(c, AppointmentDetails, await getDetails(c.var.ctx, c.req.param('id'))),
  )
  .patch(
    '/:id',
    doc('Change the reason and the notes of an appointment', 200, AppointmentDetails),
    refuses(...CHANGE_PROBLEMS, 'not_found', 'moving'),
    needs('appointments:write', 'appointments:read'),
    body(ChangeAppointment),
    async (c) =>
      reply(
        c,
        AppointmentDetails,
        await changeAppointment(c.var.ctx, c.req.param('id'), c.req.valid('json')),
      ),
  )
  .post(
    '/:id/cancel',
    doc('Cancel an appointment', 200, Appointment),
    refuses(...CHANGE_PROBLEMS, 'not_found', 'already_cancelled', 'already_checked_in', 'moving'),
    needs('appointments:write'),
    body(CancelAppointment),
    replay,
    async (c) => reply(c, Appointment, await cancel(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .post(
    '/:id/reschedule',
    doc('Move an appointment to another slot, another day, or another doctor', 200, Appointment),
    refuses(
      ...CHANGE_PROBLEMS,
      'not_found',
      'already_cancelled',
      'already_checked_in',
      'already_booked',
      'moving',
      'day_full',
      'service_not_offered',
      ...OFF_PROBLEMS,
      ...DATE_PROBLEMS,
      ...SLOT_PROBLEMS,
    ),
    needs('appointments:write'),
    body(Reschedule),
    replay,
    async (c) => reply(c, Appointment, await reschedule(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .post(
    '/holds',
    doc('Hold a slot for up to ten minutes', 201, Hold),
    refuses(
      ...CHANGE_PROBLEMS,
      ...DATE_PROBLEMS,
      ...SLOT_PROBLEMS,
      'not_found',
      'service_not_offered',
      ...OFF_PROBLEMS,
      'day_full',
    ),
    needs('appointments:write'),
    body(NewHold),
    replay,
    async (c) => reply(c, Hold, await holdSlot(c.var.ctx, c.req.valid('json')), 201),
  )
  .delete(
    '/holds/:id',
    doc('Release a hold that was not booked', 200, ReleasedHold),
    refuses(...CHANGE_PROBLEMS, 'not_found', 'hold_over'),
    needs('appointments:write'),
    noQuery(),
    async (c) => reply(c, ReleasedHold, await releaseHold(c.var.ctx, c.req.param('id'))),
  )
  .post(
    '/waitlist',
    doc(
      'Join the waitlist of a day, or of any of several; 200 when the patient waits already',
      [201, 200],
      JoinedWaitlist,
    ),
    refuses(
      ...CHANGE_PROBLEMS,
      ...DATE_PROBLEMS,
      'slot_begun',
      'no_such_slot',
      'service_not_offered',
      'doctor_retired',
      'on_leave',
      'clinic_closed',
      'day_over',
      'not_found',
      'already_booked',
      'waitlist_full',
    ),
    needs('appointments:write'),
    body(JoinWaitlist),
    replay,
    async (c) => {
      const { waiting, isNew } = await joinWaitlist(c.var.ctx, c.req.valid('json'))
      return reply(c, JoinedWaitlist, waiting, isNew ? 201 : 200)
    },
  )
  .get(
    '/waitlist/wishes/:id',
    doc('Get a wish for any of several days, with its places', 200, WaitingWish),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('appointments:read'),
    noQuery(),
    async (c) => reply(c, WaitingWish, await getWish(c.var.ctx, c.req.param('id'))),
  )
  .post(
    '/waitlist/:id/accept',
    doc('Accept the offered slot', 201, Appointment),
    refuses(
      ...CHANGE_PROBLEMS,
      ...DATE_PROBLEMS,
      'already_booked',
      'day_over',
      'not_found',
      'no_offer',
      'offer_over',
      'wish_fulfilled',
      'wish_undecided',
      ...OFF_PROBLEMS,
    ),
    needs('appointments:write'),
    noBody,
    replay,
    async (c) => reply(c, Appointment, await acceptOffer(c.var.ctx, c.req.param('id')), 201),
  )
  .post(
    '/waitlist/:id/decline',
    doc('Decline the offered slot, leave the waitlist, or give up a wish', 200, LeftWaitlist),
    refuses(...CHANGE_PROBLEMS, 'not_found', 'offer_over', 'wish_fulfilled', 'wish_undecided'),
    needs('appointments:write'),
    noBody,
    replay,
    async (c) => reply(c, LeftWaitlist, await leaveWaitlist(c.var.ctx, c.req.param('id'))),
  )
  .get(
    '/doctors/:doctor_id/appointments',
    doc('List a doctor’s appointments of a day, by slot', 200, v.array(Appointment)),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('appointments:read'),
    query(OnDate, 'contract', LIST_FORMS),
    async (c) =>
      replyPage(c, Appointment, {
        rows: await listDay(c.var.ctx, c.req.param('doctor_id'), c.req.valid('query').date),
        next: null,
      }),
  )
