import * as v from 'valibot'
import { needs } from '../access/permissions'
import { CHANGE_PROBLEMS, DATE_PROBLEMS, DAY_PROBLEMS } from '../doctor-day/refusals'
import { body, doc, documents, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { LIST_FORMS } from '../http/lists/form'
import { getAvailability, getDoctor, listDoctors, listWeeklyHours, setAvailability } from './actions'
import { addDoctor, changeDoctor } from './changes'
import {
  Availability,
  ChangeDoctor,
  Doctor,
  ListDoctors,
  ListedDoctor,
  NewDoctor,
  OnDate,
  SetAvailability,
} from './model'
import { WeeklyHours } from './weekly-hours'

const NoFilter = v.object({})

export const doctors = resource()
  .post(
    '/',
    doc('Add a doctor', 201, Doctor),
    refuses('doctor_code_taken'),
    needs('doctors:write'),
    body(NewDoctor, 'contract'),
    async (c) => reply(c, Doctor, await addDoctor(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List doctors; with a date, whether each is available', 200, v.array(ListedDoctor)),
    needs('doctors:read'),
    query(ListDoctors, 'contract'),
    async (c) => replyPage(c, ListedDoctor, await listDoctors(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a doctor', 200, Doctor),
    refuses('not_found'),
    needs('doctors:read'),
    noQuery('contract'),
    async (c) => reply(c, Doctor, await getDoctor(c.var.ctx, c.req.param('id'))),
  )
  .patch(
    '/:id',
    doc('Change a doctor; days in use keep their capacity and hours', 200, Doctor),
    documents({
      description:
        'While `weekly_hours` are in force, they alone say the hours and the slots of each day: ' +
        '`working_hours` and `capacity` without `weekly_hours` are then refused, because they would change ' +
        'nothing. A break is part of the hours of each weekday.',
    }),
    refuses('not_found', 'weekly_hours_decide', 'too_many_weekly_hours', 'idempotency_key_reused'),
    needs('doctors:write'),
    body(ChangeDoctor),
    async (c) => reply(c, Doctor, await changeDoctor(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .get(
    '/:id/weekly-hours',
    doc('List the versions of a doctor’s weekly hours', 200, v.array(WeeklyHours)),
    refuses('not_found'),
    needs('doctors:read'),
    query(NoFilter, 'ours', LIST_FORMS),
    async (c) => {
      const rows = await listWeeklyHours(c.var.ctx, c.req.param('id'))
      return replyPage(c, WeeklyHours, { rows, next: null })
    },
  )
  .post(
    '/:id/availability',
    doc('Set whether a doctor is present on a day, the working hours and the capacity', 200, Availability),
    refuses(
      ...CHANGE_PROBLEMS,
      ...DATE_PROBLEMS,
      'not_found',
      'capacity_below_taken',
      'break_taken',
      'hours_in_use',
      'doctor_retired',
    ),
    needs('doctors:write'),
    body(SetAvailability, 'contract'),
    async (c) =>
      reply(c, Availability, await setAvailability(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .get(
    '/:id/availability',
    doc('Get whether a doctor is present on a day', 200, Availability),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('doctors:read'),
    query(OnDate, 'contract'),
    async (c) =>
      reply(c, Availability, await getAvailability(c.var.ctx, c.req.param('id'), c.req.valid('query').date)),
  )
