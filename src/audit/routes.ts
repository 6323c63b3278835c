import * as v from 'valibot'
import { needs } from '../access/authenticate'
import { doc, query, replyPage, resource } from '../http/endpoint'
import { listAudit } from './actions'
import { AuditEntry, ListAudit } from './model'

/**
 * What happens on a doctor’s day is not here but in the day’s own log, /doctors/{id}/days/{date}/events.
 */
export const audit = resource().get(
  '/',
  doc('Who changed what, newest first', 200, v.array(AuditEntry)),
  needs('audit:read'),
  query(ListAudit),
  async (c) => replyPage(c, AuditEntry, await listAudit(c.var.ctx, c.req.valid('query'))),
)
