import * as v from 'valibot'
import { OnDate } from '../doctors/model'
import { body, doc, needs, query, reply, replyPage, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { book, getAppointment, listAppointments, listDay } from './actions'
import { Appointment, BookAppointment, ListAppointments } from './model'

export const appointments = resource()
  .post(
    '/',
    doc('Book an appointment', 201, Appointment, 'not_found', 'doctor_absent', 'day_full', 'already_booked'),
    needs('appointments:write'),
    body(BookAppointment),
    replay,
    async (c) => reply(c, Appointment, await book(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List appointments across days, by date', 200, v.array(Appointment)),
    needs('appointments:read'),
    query(ListAppointments),
    async (c) => replyPage(c, Appointment, await listAppointments(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get an appointment', 200, Appointment, 'not_found'),
    needs('appointments:read'),
    async (c) => reply(c, Appointment, await getAppointment(c.var.ctx, c.req.param('id'))),
  )
  .get(
    '/doctors/:doctor_id/appointments',
    doc('A doctor’s appointments of a day, by slot', 200, v.array(Appointment), 'not_found'),
    needs('appointments:read'),
    query(OnDate),
    async (c) =>
      reply(
        c,
        v.array(Appointment),
        await listDay(c.var.ctx, c.req.param('doctor_id'), c.req.valid('query').date),
      ),
  )
