import * as v from 'valibot'
import { needs } from '../access/permissions'
import { CHANGE_PROBLEMS, DATE_PROBLEMS, DAY_PROBLEMS } from '../doctor-day/refusals'
import {
  body,
  doc,
  documents,
  linkNext,
  noBody,
  noQuery,
  path,
  query,
  refuses,
  reply,
  replyPage,
  resource,
} from '../http/endpoint'
import { replay } from '../http/idempotency'
import { declareAbsence } from './absence'
import { getDay, listDayEvents, resyncDay, verifyDay } from './actions'
import { Absence, DeclareAbsence, WHERE_TO } from './affected'
import {
  AskDay,
  DayEvent,
  DayPath,
  DayToUse,
  Ledger,
  ListDayEvents,
  RepairDay,
  RepairedDay,
  Resync,
  ResyncClinic,
  ResyncedClinic,
  Verdict,
} from './model'
import { DayOfClinic, ListDays, listDays } from './overview'
import { repairDay } from './repair'
import { resyncClinic } from './resync'

export const days = resource()
  .get(
    '/:date',
    doc('Get the slots and figures of a day, now or at an instant', 200, Ledger),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('appointments:read'),
    path(DayPath),
    query(AskDay),
    async (c) => reply(c, Ledger, await getDay(c.var.ctx, c.req.valid('param'), c.req.valid('query'))),
  )
  .get(
    '/:date/events',
    doc('List the events of a day, oldest first', 200, v.array(DayEvent)),
    refuses(...DAY_PROBLEMS, 'not_found'),
    needs('audit:read'),
    path(DayPath),
    query(ListDayEvents),
    async (c) => {
      const { rows, next } = await listDayEvents(c.var.ctx, c.req.valid('param'), c.req.valid('query'))
      linkNext(c, next, 'since')
      return replyPage(c, DayEvent, { rows, next: null })
    },
  )
  .get(
    '/:date/verify',
    doc('Verify that the events of a day are unchanged', 200, Verdict),
    refuses(...DAY_PROBLEMS, 'not_found', 'invalid_request'),
    needs('audit:read'),
    path(DayPath),
    noQuery(),
    async (c) => reply(c, Verdict, await verifyDay(c.var.ctx, c.req.valid('param'))),
  )
  .post(
    '/:date/absence',
    doc('Declare a doctor absent, and move each patient of the day or put them on a waitlist', 200, Absence),
    documents({ description: WHERE_TO }),
    refuses(...CHANGE_PROBLEMS, ...DATE_PROBLEMS, 'not_found'),
    needs('appointments:write', 'doctors:write'),
    path(DayToUse),
    body(DeclareAbsence),
    replay,
    async (c) =>
      reply(c, Absence, await declareAbsence(c.var.ctx, c.req.valid('param'), c.req.valid('json'))),
  )
  .post(
    '/:date/resync',
    doc('Copy the events of a day to the searchable copy again', 202, Resync),
    refuses(...DAY_PROBLEMS, 'not_found', 'invalid_request'),
    needs('appointments:write'),
    path(DayPath),
    noBody,
    replay,
    async (c) => reply(c, Resync, await resyncDay(c.var.ctx, c.req.valid('param')), 202),
  )

/** The days of all doctors of the own clinic. */
export const allDays = resource().get(
  '/',
  doc('List the doctors of the clinic with the figures of their day', 200, v.array(DayOfClinic)),
  needs('appointments:read'),
  query(ListDays),
  async (c) => replyPage(c, DayOfClinic, await listDays(c.var.ctx, c.req.valid('query'))),
)

/** What an administrator does to the days of the own clinic, or with `clinics:*` of any. */
export const clinicDays = resource()
  .post(
    '/:id/resync',
    doc(
      'Copy the events of a clinic’s days to the searchable copy again, some days a call',
      202,
      ResyncedClinic,
    ),
    refuses('not_found'),
    needs('admin'),
    body(ResyncClinic),
    async (c) => {
      const { cursor } = c.req.valid('json')
      return reply(c, ResyncedClinic, await resyncClinic(c.var.ctx, c.req.param('id'), cursor), 202)
    },
  )
  .post(
    '/:id/days/repair',
    doc('Start a damaged day anew, from the searchable copy or empty', 200, RepairedDay),
    refuses('not_found', 'day_intact', 'day_damaged'),
    needs('admin'),
    body(RepairDay),
    replay,
    async (c) => reply(c, RepairedDay, await repairDay(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
