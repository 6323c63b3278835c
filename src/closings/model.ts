import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { standingFields } from '../appointments/model'
import { cursor, limit } from '../lib/page'
import { component, lines } from '../lib/schema'
import { DayDate, iso } from '../lib/time'

/** A longer closing is declared in parts. */
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
    reason: textColumn('reason').notNull(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.date] }),
    index('closings_by_id').on(t.clinicId, t.id),
    index('closings_page').on(t.clinicId, t.date).where(sql`date = from_date`),
  ],
)

/** Both dates are included. */
export const NewClosing = v.pipe(
  v.object({ from: DayDate, to: DayDate, reason: lines(200) }),
  v.forward(
    v.check(({ from, to }) => from <= to, 'must not be before from'),
    ['to'],
  ),
  v.metadata({ ref: 'NewClosing' }),
)
export type NewClosing = v.InferOutput<typeof NewClosing>

const closingFields = {
  closing_id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.string(),
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
  reason: row.reason,
  created_at: iso(row.createdAt),
})
