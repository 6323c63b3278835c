import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { ifMatch, withEtag } from '../http/etag'
import { etagOf } from '../patients/model'
import { addService, changeService, listServices, requireService } from './actions'
import { ChangeService, ListServices, NewService, Service, toService } from './model'

export const services = resource()
  .post(
    '/',
    doc('Add a service: what a visit can be for, and how many slots it takes', 201, Service),
    needs('doctors:write'),
    body(NewService),
    async (c) => {
      const row = await addService(c.var.ctx, c.req.valid('json'))
      withEtag(c, etagOf(row.version))
      return reply(c, Service, toService(row), 201)
    },
  )
  .get(
    '/',
    doc('List services', 200, v.array(Service)),
    needs('doctors:read'),
    query(ListServices),
    async (c) => replyPage(c, Service, await listServices(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a service', 200, Service),
    refuses('not_found'),
    needs('doctors:read'),
    noQuery(),
    async (c) => {
      const row = await requireService(c.var.ctx, c.req.param('id'))
      withEtag(c, etagOf(row.version))
      return reply(c, Service, toService(row))
    },
  )
  .patch(
    '/:id',
    doc('Change a service; what is booked keeps its slots', 200, Service),
    refuses('not_found', 'if_match_required', 'record_changed', 'idempotency_key_reused'),
    needs('doctors:write'),
    ifMatch.documented,
    body(ChangeService),
    async (c) => {
      const read = ifMatch.of(c)
      const row = await changeService(c.var.ctx, c.req.param('id'), c.req.valid('json'), read)
      withEtag(c, etagOf(row.version))
      return reply(c, Service, toService(row))
    },
  )
