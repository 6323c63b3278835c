import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { standingFields } from '../appointments/model'
import { affectedPatients } from '../days/affected'
import { doctorFields } from '../doctors/model'
import { cursor, limit } from '../lib/page'
import { component, lines, text } from '../lib/schema'
import { DayDate, iso } from '../lib/time'

/** A longer leave is declared in parts. */
export const LEAVE_DATES_MAX = 366

const STATUSES = ['running', 'paused', 'completed', 'cancelling', 'cancelled'] as const
export type LeaveStatus = (typeof STATUSES)[number]

/** Where the patients of a date move: so many days later, to the same doctor or another one. */
interface MoveTo {
  doctorId: string | null
  daysLater: number
}

/**
 * The leave of a doctor, or the retirement, whose end is not known, or a closing of the clinic, which is of
 * no one doctor. `createdAt`: since when it counts. `actor`:
 * the API key that has declared it; the events of the days name it.
 */
export const leaves = sqliteTable(
  'leaves',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    doctorId: textColumn('doctor_id'),
    kind: textColumn('kind').$type<'leave' | 'retirement' | 'closing'>().notNull(),
    fromDate: textColumn('from_date').notNull(),
    toDate: textColumn('to_date'),
    reason: textColumn('reason').notNull(),
    moveTo: textColumn('move_to', { mode: 'json' }).$type<MoveTo>(),
    status: textColumn('status').$type<LeaveStatus>().notNull(),
    actor: textColumn('actor').notNull(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull().unique(),
  },
  (t) => [index('leaves_by_doctor').on(t.clinicId, t.doctorId, t.kind, t.id)],
)

const DATE_STATES = ['pending', 'told', 'failed', 'over', 'ending', 'ended'] as const
export type DateState = (typeof DATE_STATES)[number]

/** Of a date that the job still has to work on. As text, because it has to be that of the index. */
export const IS_TO_TELL = sql.raw(`state IN ('pending', 'ending')`)

/**
 * The dates of a leave. `pending`: the day is to be told; `told`: the day has declared the absence; `failed`:
 * it could not, as `why` says; `over`: the date was over before; `ending`, `ended`: the leave was cancelled.
 * `outcome`: what became of the patients of the day.
 */
export const leaveDays = sqliteTable(
  'leave_days',
  {
    clinicId: textColumn('clinic_id').notNull(),
    leaveId: textColumn('leave_id').notNull(),
    date: textColumn('date').notNull(),
    doctorId: textColumn('doctor_id').notNull(),
    state: textColumn('state').$type<DateState>().notNull(),
    tries: integer('tries').notNull().default(0),
    why: textColumn('why'),
    moved: integer('moved').notNull().default(0),
    waitlisted: integer('waitlisted').notNull().default(0),
    toCall: integer('to_call').notNull().default(0),
    outcome: textColumn('outcome', { mode: 'json' }).$type<Outcome>(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.leaveId, t.doctorId, t.date] }),
    index('leave_days_by_doctor').on(t.clinicId, t.doctorId, t.date),
    index('leave_days_to_tell').on(t.clinicId, t.leaveId, t.tries, t.date).where(IS_TO_TELL),
  ],
)

const DAYS_RULE = `must be a whole number from 0 to ${LEAVE_DATES_MAX}`
const DaysLater = v.pipe(
  v.number(),
  v.integer(DAYS_RULE),
  v.minValue(0, DAYS_RULE),
  v.maxValue(LEAVE_DATES_MAX, DAYS_RULE),
)

/**
 * Both dates are included. `move_to`: each patient moves to another doctor, to a later date, or both. Without
 * `days_later` the date stays the same. Without `move_to` no appointment moves.
 */
export const DeclareLeave = v.pipe(
  v.object({
    from: DayDate,
    to: DayDate,
    reason: lines(500),
    move_to: v.optional(
      v.pipe(
        v.object({ doctor_id: v.optional(text(100)), days_later: v.optional(DaysLater) }),
        v.check(
          ({ doctor_id, days_later }) => doctor_id !== undefined || days_later !== undefined,
          'must have doctor_id, days_later or both',
        ),
      ),
    ),
  }),
  v.forward(
    v.check(({ from, to }) => from <= to, 'must not be before from'),
    ['to'],
  ),
  v.metadata({ ref: 'DeclareLeave' }),
)
export type DeclareLeave = v.InferOutput<typeof DeclareLeave>

/** Without `from` the whole leave is cancelled; with it, the leave for that date and those after it. */
export const CancelLeave = component('CancelLeave', { from: v.optional(DayDate) })
export type CancelLeave = v.InferOutput<typeof CancelLeave>

export const LeavePath = v.object({ id: text(100), leave_id: text(100) })
export type LeavePath = v.InferOutput<typeof LeavePath>

const leaveFields = {
  leave_id: v.string(),
  doctor_id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.string(),
  move_to: v.nullable(v.object({ doctor_id: v.string(), days_later: v.number() })),
  status: v.picklist(STATUSES),
  created_at: v.string(),
}

export const Leave = component('Leave', leaveFields)
export type Leave = v.InferOutput<typeof Leave>

const counted = v.object({
  pending: v.number(),
  told: v.number(),
  failed: v.number(),
  over: v.number(),
  ending: v.number(),
  ended: v.number(),
})

/** `dates`: how many dates are in each state. */
export const LeaveProgress = component('LeaveProgress', {
  ...leaveFields,
  days: v.number(),
  dates: counted,
  moved: v.number(),
  waitlisted: v.number(),
  to_call: v.number(),
})
export type LeaveProgress = v.InferOutput<typeof LeaveProgress>

/** As the answer to an absence of that day. `why`: the problem that stopped it, where it failed. */
export const LeaveDate = component('LeaveDate', {
  date: v.string(),
  state: v.picklist(DATE_STATES),
  why: v.nullable(v.string()),
  ...affectedPatients,
})
export type LeaveDate = v.InferOutput<typeof LeaveDate>

/** Ids only. */
export type Outcome = Pick<LeaveDate, 'moved' | 'waitlisted' | 'to_call'>

export const ListLeaves = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListLeaves = v.InferOutput<typeof ListLeaves>

/** A date may have as many patients as a day has slots. */
const DATES_OF_A_PAGE_MAX = 62

export const ListLeaveDates = v.object({
  limit: v.pipe(
    limit(31),
    v.transform((wanted) => Math.min(wanted, DATES_OF_A_PAGE_MAX)),
  ),
  cursor: cursor(v.string()),
})
export type ListLeaveDates = v.InferOutput<typeof ListLeaveDates>

export type LeaveRow = typeof leaves.$inferSelect

export const toLeave = (row: LeaveRow): Leave => ({
  leave_id: row.id,
  doctor_id: row.doctorId ?? '',
  from: row.fromDate,
  to: row.toDate ?? row.fromDate,
  reason: row.reason,
  move_to: row.moveTo && {
    doctor_id: row.moveTo.doctorId ?? row.doctorId ?? '',
    days_later: row.moveTo.daysLater,
  },
  status: row.status,
  created_at: iso(row.createdAt),
})

/** How many dates are in a state, and what became of their patients. */
export interface Count {
  state: DateState
  days: number
  moved: number
  waitlisted: number
  toCall: number
}

export function toProgress(row: LeaveRow, counts: Count[]): LeaveProgress {
  const none = { pending: 0, told: 0, failed: 0, over: 0, ending: 0, ended: 0 }
  const sum = (of: (count: Count) => number) => counts.reduce((before, count) => before + of(count), 0)
  return {
    ...toLeave(row),
    days: sum(({ days }) => days),
    dates: { ...none, ...Object.fromEntries(counts.map(({ state, days }) => [state, days])) },
    moved: sum(({ moved }) => moved),
    waitlisted: sum(({ waitlisted }) => waitlisted),
    to_call: sum(({ toCall }) => toCall),
  }
}

export const toLeaveDate = (row: typeof leaveDays.$inferSelect): LeaveDate => ({
  date: row.date,
  state: row.state,
  why: row.why,
  ...(row.outcome ?? { moved: [], waitlisted: [], to_call: [] }),
})

/** The appointments that lie ahead stay as they are. */
export const RetiredDoctor = component('RetiredDoctor', {
  ...doctorFields,
  ...standingFields,
})
export type RetiredDoctor = v.InferOutput<typeof RetiredDoctor>
