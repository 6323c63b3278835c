import { needs } from '../access/permissions'
import { doc, query, refuses, reply, replyListed, resource } from '../http/endpoint'
import { LIST_FORMS } from '../http/lists/form'
import { reportDays } from './actions'
import { AskReport, DayFigures, DayReport } from './model'

export const reports = resource().get(
  '/days',
  doc(
    'Count what became of the appointments of some dates, and how long patients waited',
    200,
    DayReport,
    LIST_FORMS,
  ),
  refuses('report_too_large'),
  needs('appointments:read', 'checkins:read', 'doctors:read'),
  query(AskReport, 'ours', LIST_FORMS),
  async (c) => {
    const report = await reportDays(c.var.ctx, c.req.valid('query'))
    return replyListed(c, DayFigures, { rows: report.rows, next: null }, () => reply(c, DayReport, report))
  },
)
