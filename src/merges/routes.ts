import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, documents, noBody, query, refuses, reply, replyPage, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { LIST_FORMS } from '../http/lists/form'
import { listMerges, mergePatient, undoMerge } from './actions'
import { findDuplicates } from './duplicates'
import { AskDuplicates, AskMerges, Duplicate, Merge, MergedRecord, MergePatient, UndoneMerge } from './model'

const merging = documents({
  description:
    'Both ids keep answering. Appointments and places on waitlists of both are of the record in `into` ' +
    'from now on, and each keeps the `patient_id` that it was made with. For 30 days `unmerge` undoes it.',
})

export const merges = resource()
  .post(
    '/:id/merge',
    doc('Merge a patient into another record of the same person', 200, Merge),
    merging,
    refuses('not_found', 'same_patient', 'patient_merged', 'too_many_merged', 'idempotency_key_reused'),
    needs('patients:write'),
    body(MergePatient),
    replay,
    async (c) => reply(c, Merge, await mergePatient(c.var.ctx, c.req.param('id'), c.req.valid('json'))),
  )
  .post(
    '/:id/unmerge',
    doc('Undo the merge of a patient into another record', 200, UndoneMerge),
    refuses('not_found', 'not_merged', 'merge_final', 'idempotency_key_reused'),
    needs('patients:write'),
    noBody,
    replay,
    async (c) => reply(c, UndoneMerge, await undoMerge(c.var.ctx, c.req.param('id'))),
  )
  .get(
    '/:id/merges',
    doc('List the records that were merged into this one, the latest first', 200, v.array(MergedRecord)),
    refuses('not_found'),
    needs('patients:read'),
    query(AskMerges, 'ours', LIST_FORMS),
    async (c) => {
      const rows = await listMerges(c.var.ctx, c.req.param('id'))
      return replyPage(c, MergedRecord, { rows, next: null })
    },
  )
  .get(
    '/:id/duplicates',
    doc('List patients who may be the same person, the likeliest first', 200, v.array(Duplicate)),
    refuses('not_found'),
    needs('patients:read'),
    query(AskDuplicates),
    async (c) => {
      const rows = await findDuplicates(c.var.ctx, c.req.param('id'), c.req.valid('query'))
      return replyPage(c, Duplicate, { rows, next: null })
    },
  )
