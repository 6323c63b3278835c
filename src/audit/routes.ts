import * as v from 'valibot'
import { doc, needs, query, replyPage, resource } from '../http/endpoint'
import { listAudit } from './actions'
import { AuditEntry, ListAudit } from './model'

export const audit = resource().get(
  '/',
  doc('Who changed what, newest first', 200, v.array(AuditEntry)),
  needs('audit:read'),
  query(ListAudit),
  async (c) => replyPage(c, AuditEntry, await listAudit(c.var.ctx, c.req.valid('query'))),
)
