import * as v from 'valibot'
import { needs } from '../access/permissions'
import {
  body,
  doc,
  noBody,
  noQuery,
  path,
  query,
  refuses,
  reply,
  replyPage,
  resource,
} from '../http/endpoint'
import { closeClinic, deleteClosing, getClosing, listClosings } from './actions'
import { Closing, ClosingPath, ClosingWithStanding, ListClosings, NewClosing } from './model'

export const closings = resource()
  .post(
    '/:id/closings',
    doc('Close a clinic on some dates; lists the appointments that stand', 201, ClosingWithStanding),
    refuses('not_found', 'date_over', 'date_closed'),
    needs('clinic:admin'),
    body(NewClosing),
    async (c) =>
      reply(
        c,
        ClosingWithStanding,
        await closeClinic(c.var.ctx, c.req.param('id'), c.req.valid('json')),
        201,
      ),
  )
  .get(
    '/:id/closings',
    doc('List the dates on which a clinic is closed', 200, v.array(Closing)),
    refuses('not_found'),
    needs('clinic:admin'),
    query(ListClosings),
    async (c) =>
      replyPage(c, Closing, await listClosings(c.var.ctx, c.req.param('id'), c.req.valid('query'))),
  )
  .get(
    '/:id/closings/:closing_id',
    doc('Get a closing and the appointments that stand on its dates', 200, ClosingWithStanding),
    refuses('not_found'),
    needs('clinic:admin'),
    path(ClosingPath),
    noQuery(),
    async (c) => reply(c, ClosingWithStanding, await getClosing(c.var.ctx, c.req.valid('param'))),
  )
  .delete(
    '/:id/closings/:closing_id',
    doc('Open a clinic again on the dates of a closing', 200, Closing),
    refuses('not_found', 'idempotency_key_reused'),
    needs('clinic:admin'),
    path(ClosingPath),
    noBody,
    async (c) => reply(c, Closing, await deleteClosing(c.var.ctx, c.req.valid('param'))),
  )
