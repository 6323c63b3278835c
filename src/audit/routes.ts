import * as v from 'valibot'
import { needs } from '../access/permissions'
import { doc, query, refuses, replyPage, resource } from '../http/endpoint'
import { listAudit } from './actions'
import { AuditEntry, ListAudit } from './model'

/**
 * Who changed a record of the clinic. Changes of a doctor’s day are in the day’s own log instead:
 * /doctors/{id}/days/{date}/events.
 */
export const audit = resource().get(
  '/',
  doc('List the changes and the keys that made them, newest first', 200, v.array(AuditEntry)),
  refuses('not_found'),
  needs('audit:read'),
  query(ListAudit),
  async (c) => replyPage(c, AuditEntry, await listAudit(c.var.ctx, c.req.valid('query'))),
)
