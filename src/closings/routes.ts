import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, noBody, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { closeClinic, deleteClosing, getClosing, listClosings } from './actions'
import { Closing, ClosingWithStanding, ListClosings, NewClosing } from './model'

export const closings = resource()
  .post(
    '/',
    doc('Close the clinic on some dates; lists the appointments that stand', 201, ClosingWithStanding),
    refuses('date_over', 'closings_overlap'),
    needs('clinic:admin'),
    body(NewClosing),
    async (c) => reply(c, ClosingWithStanding, await closeClinic(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List the dates on which the clinic is closed', 200, v.array(Closing)),
    needs('doctors:read'),
    query(ListClosings),
    async (c) => replyPage(c, Closing, await listClosings(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a closing and the appointments that stand on its dates', 200, ClosingWithStanding),
    refuses('not_found'),
    needs('doctors:read', 'appointments:read'),
    noQuery(),
    async (c) => reply(c, ClosingWithStanding, await getClosing(c.var.ctx, c.req.param('id'))),
  )
  .delete(
    '/:id',
    doc('Open the clinic again on the dates of a closing', 200, Closing),
    refuses('not_found', 'idempotency_key_reused'),
    needs('clinic:admin'),
    noBody,
    async (c) => reply(c, Closing, await deleteClosing(c.var.ctx, c.req.param('id'))),
  )
