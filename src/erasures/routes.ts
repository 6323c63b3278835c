import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { erasePatient, listErasures } from './actions'
import { ErasedPatient, EraseQuery, Erasure, ListErasures, ReplayErasures, ReplayedErasures } from './model'
import { replayErasures } from './replay'

export const erasing = resource().delete(
  '/:id',
  doc(
    'Erase a patient; 202 where some days could not be reached yet: repeat the request',
    [200, 202],
    Erasure,
  ),
  refuses('not_found', 'patient_merged', 'appointments_ahead', 'idempotency_key_reused'),
  needs('patients:erase'),
  query(EraseQuery),
  async (c) => {
    const erasure = await erasePatient(c.var.ctx, c.req.param('id'), c.req.valid('query'))
    return reply(c, Erasure, erasure, erasure.state === 'erased' ? 200 : 202)
  },
)

export const erasureList = resource()
  .get(
    '/',
    doc('List who was erased, by the time of the erasure', 200, v.array(ErasedPatient)),
    needs('audit:read'),
    query(ListErasures),
    async (c) => replyPage(c, ErasedPatient, await listErasures(c.var.ctx, c.req.valid('query'))),
  )
  .post(
    '/replay',
    doc('Erase again whom a restored backup has brought back', 200, ReplayedErasures),
    needs('patients:erase'),
    body(ReplayErasures),
    async (c) =>
      reply(c, ReplayedErasures, { erasures: await replayErasures(c.var.ctx, c.req.valid('json')) }),
  )
