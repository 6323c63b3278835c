import * as v from 'valibot'
import { needs } from '../access/permissions'
import { DayPath } from '../days/model'
import { DAY_PROBLEMS } from '../doctor-day/refusals'
import { doc, path, query, refuses, reply, replyListed, replyPage, resource } from '../http/endpoint'
import { LIST_FORMS } from '../http/lists/form'
import { reportDays } from './actions'
import { DayListEntry, listForDesk } from './day-list'
import { dayPage } from './day-page'
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

const PAPER_FORMS = [...LIST_FORMS, 'html'] as const

export const dayLists = resource().get(
  '/:date/list',
  doc(
    'List a doctor’s appointments of a day with names and phones, to print',
    200,
    v.array(DayListEntry),
    PAPER_FORMS,
  ),
  refuses(...DAY_PROBLEMS, 'not_found'),
  needs('appointments:read', 'patients:read'),
  path(DayPath),
  query(v.object({}), 'ours', PAPER_FORMS),
  async (c) => {
    const { doctor_id, date } = c.req.valid('param')
    const list = await listForDesk(c.var.ctx, doctor_id, date)
    if (c.get('listForm') === 'html') return dayPage(c, list)
    return replyPage(c, DayListEntry, { rows: list.entries, next: null })
  },
)
