import * as v from 'valibot'
import { body, doc, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { createKey, listClinics, listKeys, openClinic, revokeKey } from './actions'
import { Clinic, CreatedKey, Key, ListClinics, ListKeys, NewClinic, NewKey } from './model'
import { needs } from './permissions'

export const clinics = resource()
  .post(
    '/',
    doc('Open a clinic', 201, Clinic),
    refuses('clinic_exists'),
    needs('admin', 'clinics:*'),
    body(NewClinic),
    async (c) => reply(c, Clinic, await openClinic(c.var.ctx, c.req.valid('json')), 201),
  )
  .get('/', doc('List clinics', 200, v.array(Clinic)), needs('admin'), query(ListClinics), async (c) =>
    replyPage(c, Clinic, await listClinics(c.var.ctx, c.req.valid('query'))),
  )

export const keys = resource()
  .post(
    '/',
    doc('Create an API key; its secret is shown this once', 201, CreatedKey),
    refuses('not_found', 'key_shown_once'),
    needs('admin'),
    body(NewKey),
    async (c) => reply(c, CreatedKey, await createKey(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List API keys', 200, v.array(Key)),
    refuses('not_found'),
    needs('admin'),
    query(ListKeys),
    async (c) => replyPage(c, Key, await listKeys(c.var.ctx, c.req.valid('query'))),
  )
  .delete(
    '/:id',
    doc('Revoke an API key', 200, Key),
    refuses('not_found', 'last_admin_key'),
    needs('admin'),
    noQuery(),
    async (c) => reply(c, Key, await revokeKey(c.var.ctx, c.req.param('id'))),
  )
