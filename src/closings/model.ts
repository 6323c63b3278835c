import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { standingFields } from '../appointments/model'
import { cursor, limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { DayDate, iso } from '../lib/time'

export const CLOSING_DATES_MAX = 62

/** The dates on which a clinic is closed. The rows of one closing share its id, and follow each other. */
export const closings = sqliteTable(
  'closings',
  {
    clinicId: textColumn('clinic_id').notNull(),
    date: textColumn('date').notNull(),
    id: textColumn('id').notNull(),
    /** The first date of the closing. */
    fromDate: textColumn('from_date').notNull(),
    toDate: textColumn('to_date').notNull(),
    name: textColumn('name').notNull(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.date] }),
    index('closings_by_id').on(t.clinicId, t.id),
    index('closings_page').on(t.clinicId, t.date).where(sql`date = from_date`),
  ],
)

/** Either `date`, or `from` and `to`, both included. */
export const NewClosing = v.pipe(
  v.object({
    date: v.optional(DayDate),
    from: v.optional(DayDate),
    to: v.optional(DayDate),
    name: text(200),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const { date, from, to } = dataset.value as Record<string, unknown>
    const fault = (key: string, message: string) =>
      addIssue({ message, path: [{ type: 'object', origin: 'value', input: {}, key, value: undefined }] })
    const isRange = from !== undefined && to !== undefined
    const isOne = from === undefined && to === undefined
    if (date === undefined && !isRange) fault('date', 'is required, or from and to instead of it')
    else if (date !== undefined && !isOne) fault('date', 'cannot be sent with from and to')
    else if (isRange && String(to) < String(from)) fault('to', 'must not be before from')
  }),
  v.metadata({ ref: 'NewClosing' }),
)
export type NewClosing = v.InferOutput<typeof NewClosing>

export const ClosingPath = v.object({ id: text(100), closing_id: text(100) })
export type ClosingPath = v.InferOutput<typeof ClosingPath>

const closingFields = {
  closing_id: v.string(),
  from: v.string(),
  to: v.string(),
  name: v.string(),
  created_at: v.string(),
}

export const Closing = component('Closing', closingFields)
export type Closing = v.InferOutput<typeof Closing>

/** The appointments of all doctors on these dates stay as they are, for the desk to move or cancel. */
export const ClosingWithStanding = component('ClosingWithStanding', { ...closingFields, ...standingFields })
export type ClosingWithStanding = v.InferOutput<typeof ClosingWithStanding>

export const ListClosings = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListClosings = v.InferOutput<typeof ListClosings>

export const toClosing = (row: typeof closings.$inferSelect): Closing => ({
  closing_id: row.id,
  from: row.fromDate,
  to: row.toDate,
  name: row.name,
  created_at: iso(row.createdAt),
})
