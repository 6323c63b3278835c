import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, linkNext, noBody, path, query, refuses, reply, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { declareAbsence } from './absence'
import { getDay, listDayEvents, resyncDay, verifyDay } from './actions'
import {
  Absence,
  AskDay,
  DayEvent,
  DayPath,
  DeclareAbsence,
  Ledger,
  ListDayEvents,
  Resync,
  Verdict,
} from './model'

export const days = resource()
  .get(
    '/:date',
    doc('Get the slots and figures of a day, now or at an instant', 200, Ledger),
    refuses('not_found'),
    needs('appointments:read'),
    path(DayPath),
    query(AskDay),
    async (c) => reply(c, Ledger, await getDay(c.var.ctx, c.req.valid('param'), c.req.valid('query'))),
  )
  .get(
    '/:date/events',
    doc('List the events of a day, oldest first', 200, v.array(DayEvent)),
    refuses('not_found'),
    needs('audit:read'),
    path(DayPath),
    query(ListDayEvents),
    async (c) => {
      const { rows, next } = await listDayEvents(c.var.ctx, c.req.valid('param'), c.req.valid('query'))
      linkNext(c, next, 'since')
      return reply(c, v.array(DayEvent), rows)
    },
  )
  .get(
    '/:date/verify',
    doc('Verify that the events of a day are unchanged', 200, Verdict),
    refuses('not_found', 'invalid_request'),
    needs('audit:read'),
    path(DayPath),
    async (c) => reply(c, Verdict, await verifyDay(c.var.ctx, c.req.valid('param'))),
  )
  .post(
    '/:date/absence',
    doc('Declare a doctor absent, and move each patient of the day or put them on a waitlist', 200, Absence),
    refuses('not_found'),
    needs('appointments:write', 'doctors:write'),
    path(DayPath),
    body(DeclareAbsence),
    replay,
    async (c) =>
      reply(c, Absence, await declareAbsence(c.var.ctx, c.req.valid('param'), c.req.valid('json'))),
  )
  .post(
    '/:date/resync',
    doc('Copy the events of a day to the searchable copy again', 202, Resync),
    refuses('not_found', 'invalid_request'),
    needs('appointments:write'),
    path(DayPath),
    noBody,
    replay,
    async (c) => reply(c, Resync, await resyncDay(c.var.ctx, c.req.valid('param')), 202),
  )
