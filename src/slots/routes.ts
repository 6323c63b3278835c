import type { Context } from 'hono'
import * as v from 'valibot'
import { needs } from '../access/permissions'
import type { App } from '../context'
import { DAY_PROBLEMS } from '../doctor-day/refusals'
import { doc, query, refuses, replyPage, resource } from '../http/endpoint'
import { iso } from '../lib/time'
import { slotsOfAll, slotsOfDoctor } from './actions'
import { AskSlots, AskSlotsOfAll, FreeSlot } from './model'

/** When D1’s copy was read: it may lag behind the days. */
const markAsOf = (c: Context<App>): void => c.header('X-As-Of', iso(c.var.ctx.now))

export const doctorSlots = resource().get(
  '/:doctor_id/slots',
  doc(
    'List the free slots of a doctor over some dates; the day decides when one is booked',
    200,
    v.array(FreeSlot),
  ),
  refuses(...DAY_PROBLEMS, 'not_found'),
  needs('appointments:read'),
  query(AskSlots),
  async (c) => {
    const page = await slotsOfDoctor(c.var.ctx, c.req.param('doctor_id'), c.req.valid('query'))
    markAsOf(c)
    return replyPage(c, FreeSlot, page)
  },
)

export const freeSlots = resource().get(
  '/',
  doc('List the free slots of all doctors, or of those of a specialty or a service', 200, v.array(FreeSlot)),
  refuses(...DAY_PROBLEMS, 'not_found'),
  needs('appointments:read'),
  query(AskSlotsOfAll),
  async (c) => {
    const page = await slotsOfAll(c.var.ctx, c.req.valid('query'))
    markAsOf(c)
    return replyPage(c, FreeSlot, page)
  },
)
