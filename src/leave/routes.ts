import * as v from 'valibot'
import { needs } from '../access/permissions'
import { WHERE_TO } from '../days/affected'
import { Doctor } from '../doctors/model'
import {
  body,
  doc,
  documents,
  noBody,
  noQuery,
  path,
  query,
  refuses,
  reply,
  replyPage,
  resource,
} from '../http/endpoint'
import { replay } from '../http/idempotency'
import { declareLeave } from './actions'
import {
  CancelLeave,
  DeclareLeave,
  Leave,
  LeaveDate,
  LeavePath,
  LeaveProgress,
  ListLeaveDates,
  ListLeaves,
  RetiredDoctor,
} from './model'
import { getLeave, listLeaveDates, listLeaves } from './records'
import { reinstateDoctor, retireDoctor } from './retirement'
import { cancelLeave, pauseLeave, resumeLeave } from './steering'

export const leave = resource()
  .post(
    '/:id/leave',
    doc('Declare the leave of a doctor; a job moves the patients of each day', 202, LeaveProgress),
    documents({ description: WHERE_TO }),
    refuses('not_found', 'date_over', 'leave_overlaps', 'doctor_retired'),
    needs('appointments:write', 'doctors:write'),
    body(DeclareLeave),
    replay,
    async (c) =>
      reply(c, LeaveProgress, await declareLeave(c.var.ctx, c.req.param('id'), c.req.valid('json')), 202),
  )
  .get(
    '/:id/leave',
    doc('List the leaves of a doctor', 200, v.array(Leave)),
    refuses('not_found'),
    needs('doctors:read'),
    query(ListLeaves),
    async (c) => replyPage(c, Leave, await listLeaves(c.var.ctx, c.req.param('id'), c.req.valid('query'))),
  )
  .get(
    '/:id/leave/:leave_id',
    doc('Get a leave, and how far its job has come', 200, LeaveProgress),
    refuses('not_found'),
    needs('doctors:read'),
    path(LeavePath),
    noQuery(),
    async (c) => reply(c, LeaveProgress, await getLeave(c.var.ctx, c.req.valid('param'))),
  )
  .get(
    '/:id/leave/:leave_id/dates',
    doc('List the dates of a leave, and what became of the patients of each', 200, v.array(LeaveDate)),
    refuses('not_found'),
    needs('doctors:read', 'appointments:read'),
    path(LeavePath),
    query(ListLeaveDates),
    async (c) =>
      replyPage(c, LeaveDate, await listLeaveDates(c.var.ctx, c.req.valid('param'), c.req.valid('query'))),
  )
  .post(
    '/:id/leave/:leave_id/pause',
    doc('Pause the job of a leave; its dates stay closed', 200, LeaveProgress),
    refuses('not_found', 'leave_over'),
    needs('appointments:write', 'doctors:write'),
    path(LeavePath),
    noBody,
    replay,
    async (c) => reply(c, LeaveProgress, await pauseLeave(c.var.ctx, c.req.valid('param'))),
  )
  .post(
    '/:id/leave/:leave_id/resume',
    doc('Resume the job of a leave, also for dates that failed', 200, LeaveProgress),
    refuses('not_found', 'leave_over'),
    needs('appointments:write', 'doctors:write'),
    path(LeavePath),
    noBody,
    replay,
    async (c) => reply(c, LeaveProgress, await resumeLeave(c.var.ctx, c.req.valid('param'))),
  )
  .post(
    '/:id/leave/:leave_id/cancel',
    doc('Cancel a leave, or end it early: from a date on', 200, LeaveProgress),
    refuses('not_found', 'leave_over', 'date_over'),
    needs('appointments:write', 'doctors:write'),
    path(LeavePath),
    body(CancelLeave),
    replay,
    async (c) =>
      reply(c, LeaveProgress, await cancelLeave(c.var.ctx, c.req.valid('param'), c.req.valid('json'))),
  )
  .delete(
    '/:id',
    doc('Retire a doctor, who then takes no new patients', 200, RetiredDoctor),
    refuses('not_found', 'idempotency_key_reused'),
    needs('doctors:write', 'appointments:read'),
    noBody,
    async (c) => reply(c, RetiredDoctor, await retireDoctor(c.var.ctx, c.req.param('id'))),
  )
  .post(
    '/:id/reinstate',
    doc('Reinstate a doctor who has retired', 200, Doctor),
    refuses('not_found'),
    needs('doctors:write'),
    noBody,
    async (c) => reply(c, Doctor, await reinstateDoctor(c.var.ctx, c.req.param('id'))),
  )
