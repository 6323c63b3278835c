import * as v from 'valibot'
import { body, doc, noQuery, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { ifMatch, withEtag } from '../http/etag'
import { etagOf } from '../patients/model'
import { listClinics, openClinic, requireClinicRow } from './actions'
import { changeClinic } from './change'
import { changeKey, createKey, listKeys, revokeKey } from './keys'
import {
  ChangeClinic,
  ChangeKey,
  Clinic,
  CreatedKey,
  Key,
  ListClinics,
  ListKeys,
  NewClinic,
  NewKey,
  toClinic,
} from './model'
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
  .get(
    '/',
    doc('List the own clinic, or for an admin of all clinics each of them', 200, v.array(Clinic)),
    needs('clinic:admin'),
    query(ListClinics),
    async (c) => replyPage(c, Clinic, await listClinics(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a clinic', 200, Clinic),
    refuses('not_found'),
    needs('clinic:admin'),
    noQuery(),
    async (c) => {
      const clinic = await requireClinicRow(c.var.ctx, c.req.param('id'))
      withEtag(c, etagOf(clinic.version))
      return reply(c, Clinic, toClinic(clinic))
    },
  )
  .patch(
    '/:id',
    doc('Change a clinic; its time zone only while no day lies ahead', 200, Clinic),
    refuses('not_found', 'if_match_required', 'record_changed', 'days_ahead', 'idempotency_key_reused'),
    needs('clinic:admin'),
    ifMatch.documented,
    body(ChangeClinic),
    async (c) => {
      const read = ifMatch.of(c)
      const clinic = await changeClinic(c.var.ctx, c.req.param('id'), c.req.valid('json'), read)
      withEtag(c, etagOf(clinic.version))
      return reply(c, Clinic, toClinic(clinic))
    },
  )

export const keys = resource()
  .post(
    '/',
    doc('Create an API key; its secret is shown this once', 201, CreatedKey),
    refuses('not_found', 'key_shown_once'),
    needs('clinic:admin'),
    body(NewKey),
    async (c) => reply(c, CreatedKey, await createKey(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List API keys', 200, v.array(Key)),
    refuses('not_found'),
    needs('clinic:admin'),
    query(ListKeys),
    async (c) => replyPage(c, Key, await listKeys(c.var.ctx, c.req.valid('query'))),
  )
  .patch(
    '/:id',
    doc('Change when an API key expires', 200, Key),
    refuses('not_found', 'key_over', 'last_admin_key', 'idempotency_key_reused'),
    needs('clinic:admin'),
    body(ChangeKey),
    async (c) => reply(c, Key, await changeKey(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .delete(
    '/:id',
    doc('Revoke an API key', 200, Key),
    refuses('not_found', 'last_admin_key'),
    needs('clinic:admin'),
    noQuery(),
    async (c) => reply(c, Key, await revokeKey(c.var.ctx, c.req.param('id'))),
  )
