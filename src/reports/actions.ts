import { type SQL, sql } from 'drizzle-orm'
import { appointments } from '../appointments/model'
import { checkIns } from '../checkins/model'
import type { Ctx } from '../context'
import { doctors } from '../doctors/model'
import { Problem } from '../problem'
import { type AskReport, type Counted, type DayReport, toFigures, toReport } from './model'

/** D1 runs one query at a time: a report of so many appointments takes it from the others for a second. */
const VISITS_MAX = 50_000
/** 4 MB of JSON. */
const ROWS_MAX = 10_000

/**
 * What became of the appointments of some dates, from D1’s copy: one query, which sees one state. Percentiles
 * are exact: the nearest rank of all waits of a group.
 */
export async function reportDays(ctx: Ctx, wanted: AskReport): Promise<DayReport> {
  const counted = await ctx.db.all<Counted>(countDays(ctx, wanted))
  const total = counted.find(({ isTotal }) => isTotal === 1)
  const groups = counted.filter(({ isTotal }) => isTotal === 0)
  if ((total?.booked ?? 0) > VISITS_MAX) throw tooLarge(`more than ${VISITS_MAX} appointments`)
  if (groups.length > ROWS_MAX) throw tooLarge(`more than ${ROWS_MAX} rows`)
  const rows = groups.map((group) => ({
    doctor_id: group.doctorId || null,
    doctor_name: group.doctorName,
    date: group.date || null,
    ...toFigures(group),
  }))
  return toReport(wanted, ctx.now, toFigures(total), rows)
}

const tooLarge = (what: string) =>
  new Problem('report_too_large', `The report would hold ${what}; ask for fewer dates or one doctor`)

/** One row for each group, and one for the total. */
function countDays(ctx: Ctx, wanted: AskReport): SQL {
  const doctor = wanted.by === 'date' ? sql`''` : sql`doctor_id`
  const date = wanted.by === 'doctor' ? sql`''` : sql`date`
  const visits = sql`count(*) AS booked, sum(status = 'completed') AS kept, sum(status = 'no_show') AS noShow,
    sum(status = 'cancelled') AS cancelled`
  return sql`
    WITH visits AS (${visitsOf(ctx, wanted)}),
      of_visits AS (
        SELECT 0 AS isTotal, * FROM (
          SELECT ${doctor} AS doctorId, ${date} AS date, ${visits} FROM visits GROUP BY 1, 2
          LIMIT ${ROWS_MAX + 1})
        UNION ALL SELECT 1, '', '', ${visits} FROM visits),
      arrivals AS (${arrivalsOf(ctx, wanted)}),
      ranked AS (
        SELECT *, row_number() OVER own AS place, count(wait) OVER (PARTITION BY ${doctor}, ${date}) AS waits,
          row_number() OVER (ORDER BY wait NULLS LAST) AS place_in_all, count(wait) OVER () AS waits_in_all
        FROM arrivals
        WINDOW own AS (PARTITION BY ${doctor}, ${date} ORDER BY wait NULLS LAST)),
      of_arrivals AS (
        SELECT 0 AS isTotal, ${doctor} AS doctorId, ${date} AS date, ${arrivalFigures('place', 'waits')}
        FROM ranked GROUP BY 2, 3
        UNION ALL
        SELECT 1, '', '', ${arrivalFigures('place_in_all', 'waits_in_all')} FROM ranked)
    SELECT of_visits.*, ${doctors.name} AS doctorName, walkIns, waitCount, p50, p90
    FROM of_visits
      LEFT JOIN of_arrivals USING (isTotal, doctorId, date)
      LEFT JOIN ${doctors}
        ON ${doctors.clinicId} = ${ctx.clinic.id} AND ${doctors.id} = of_visits.doctorId
    ORDER BY of_visits.date, doctorName, of_visits.doctorId`
}

/** An appointment that was moved is in the copy where it is now: with its new doctor, on its new date. */
const visitsOf = (ctx: Ctx, { from, to, doctor_id }: AskReport): SQL => sql`
  SELECT doctor_id, date, status FROM ${appointments}
  WHERE clinic_id = ${ctx.clinic.id} AND date >= ${from} AND date <= ${to}
    ${doctor_id === undefined ? sql`` : sql`AND doctor_id = ${doctor_id}`}
  LIMIT ${VISITS_MAX + 1}`

/**
 * A walk-in is booked and checked in by one command, so at one instant; nobody else can be. It stays one
 * where its check-in was undone, which is no arrival otherwise. A patient who waits again after a call still
 * waits. By doctor, because the check-ins of a clinic have no index by date.
 */
const arrivalsOf = (ctx: Ctx, { from, to, doctor_id }: AskReport): SQL => sql`
  SELECT c.doctor_id, c.date, CASE WHEN c.checked_in_at = a.created_at THEN a.id END AS walk_in,
    CASE WHEN c.status NOT IN ('waiting', 'undone') THEN c.called_at - c.checked_in_at END AS wait
  FROM ${doctors} AS d
    CROSS JOIN ${checkIns} AS c ON c.clinic_id = d.clinic_id AND c.doctor_id = d.id
    CROSS JOIN ${appointments} AS a ON a.id = c.appointment_id AND +a.clinic_id = d.clinic_id
      AND +a.doctor_id = c.doctor_id AND +a.date = c.date
  WHERE d.clinic_id = ${ctx.clinic.id} AND c.date >= ${from} AND c.date <= ${to}
    AND (c.status <> 'undone' OR c.checked_in_at = a.created_at)
    ${doctor_id === undefined ? sql`` : sql`AND d.id = ${doctor_id}`}
  LIMIT ${2 * VISITS_MAX + 1}`

/** `place`: the rank of each wait, the shortest first; `count`: how many there are. Who waits has no wait. */
const arrivalFigures = (place: string, count: string): SQL => sql`
  count(DISTINCT walk_in) AS walkIns, count(wait) AS waitCount, ${nearestRank(place, count, 50)} AS p50,
  ${nearestRank(place, count, 90)} AS p90`

/** The smallest wait that at least so many of a hundred waits do not exceed. */
const nearestRank = (place: string, count: string, percent: number): SQL =>
  sql.raw(`min(CASE WHEN ${place} * 100 >= ${count} * ${percent} THEN wait END)`)
