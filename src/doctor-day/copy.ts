import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Day, Event, Recorded } from './day'
import { appointments, checkIns, days } from './model'

/**
 * Brings D1's copy up to the last of `events`: one batch, and each row is replaced only by a newer version.
 * So the same events may be copied twice, late or out of order, and the copy never goes back.
 */
export async function copyToD1(binding: D1Database, day: Day, events: Recorded[]): Promise<void> {
  if (!day.place) return
  const db = drizzle(binding)
  const { clinicId, doctorId, date } = day.place
  const place = sql`${clinicId}, ${doctorId}`
  const [appointmentRows, checkInRows] = [appointmentRowsOf(day, events), checkInRowsOf(day, events)]
  const ofDay = db
    .insert(days)
    .values({
      ...day.place,
      isPresent: day.availability?.isPresent ?? true,
      capacity: day.capacity,
      taken: day.slots.size,
      version: day.version,
    })
    .onConflictDoUpdate({
      target: [days.clinicId, days.doctorId, days.date],
      ...newer(days, ['is_present', 'capacity', 'taken', 'version']),
    })
  const ofAppointments = () =>
    db
      .insert(appointments)
      .select(sql`
        SELECT value->>0, ${place}, value->>1, ${date}, value->>2, value->>3, value->>4, value->>5, value->>6,
          value->>7, value->>8, value->>9
        FROM json_each(${JSON.stringify(appointmentRows)}) WHERE true`)
      .onConflictDoUpdate({
        target: appointments.id,
        ...newer(appointments, MOVING_COLUMNS),
        setWhere: sql`(excluded.moves, excluded.version) > (${appointments.moves}, ${appointments.version})`,
      })
  const ofCheckIns = () =>
    db
      .insert(checkIns)
      .select(sql`
        SELECT value->>0, ${place}, ${date}, value->>1, value->>2, value->>3, value->>4, value->>5
        FROM json_each(${JSON.stringify(checkInRows)}) WHERE true`)
      .onConflictDoUpdate({ target: checkIns.id, ...newer(checkIns, ['status', 'version']) })
  await db.batch([
    ofDay,
    ...(appointmentRows.length > 0 ? [ofAppointments()] : []),
    ...(checkInRows.length > 0 ? [ofCheckIns()] : []),
  ])
}

/** `SET column = excluded.column … WHERE excluded.version > version` */
function newer(
  table: SQLiteTable & { version: SQLiteColumn },
  columns: string[],
): { set: never; setWhere: SQL } {
  const byProperty = Object.entries(table).filter(([, column]) => columns.includes(column?.name))
  const set = Object.fromEntries(
    byProperty.map(([property, column]) => [property, sql.raw(`excluded."${column.name}"`)]),
  )
  return { set: set as never, setWhere: sql`excluded.version > ${table.version}` }
}

/** What changes of an appointment once it is booked. */
const MOVING_COLUMNS = [
  ...['doctor_id', 'date', 'slot', 'starts_at', 'ends_at'],
  ...['status', 'updated_at', 'version', 'moves'],
]

function appointmentRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const touched = lastEvents(events, OF_APPOINTMENTS)
  return [...touched].flatMap(([id, seq]) => {
    const appointment = day.appointments.get(id)
    if (!appointment) return [] // It has moved on: the day it lives on tells of it.
    const { patientId, slot, startsAt, endsAt, status, createdAt, updatedAt, moves } = appointment
    return [[id, patientId, slot, startsAt, endsAt, status, createdAt, updatedAt, seq, moves]]
  })
}

function checkInRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const touched = lastEvents(events, OF_CHECK_INS)
  return [...touched].flatMap(([appointmentId, seq]) => {
    const checkIn = day.checkIns.get(appointmentId)
    if (!checkIn) return [] // A no-show who never came.
    return [[checkIn.id, appointmentId, checkIn.position, checkIn.status, checkIn.checkedInAt, seq]]
  })
}

const OF_APPOINTMENTS: Event['type'][] = ['booked', 'moved_in', 'cancelled', 'no_show']
const OF_CHECK_INS: Event['type'][] = ['checked_in', 'called', 'served', 'skipped', 'requeued', 'no_show']

/** The appointments that events of these types touched, each with the number of the last one that did. */
function lastEvents(events: Recorded[], types: Event['type'][]): Map<string, number> {
  const touched = new Map<string, number>()
  for (const event of events)
    if ('appointmentId' in event && types.includes(event.type)) touched.set(event.appointmentId, event.seq)
  return touched
}
