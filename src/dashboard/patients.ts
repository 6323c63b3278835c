import { withTimeout } from '../lib/outage'
import { localDate, MINUTE_MS, SECOND_MS } from '../lib/time'
import { ageOf } from '../patients/model'
import type { DashboardPatient } from './model'
import { type Patients, patientsOf } from './picture'

/** A person waits at the screen. */
const PATIENTS_MS_MAX = 3 * SECOND_MS

/** A patient who was changed or erased is shown as before for at most so long. */
const KNOWN_MS = MINUTE_MS / 2

/**
 * Of a record that was merged into another one, what that one says. The plus keeps SQLite from using an index
 * of the clinic, with which it would read all of its patients.
 */
export const PATIENTS = `
  SELECT asked.value AS id, patients.name, phone, age, birth_date AS birthDate, gender,
    (SELECT time_zone FROM clinics WHERE clinics.id = ?1) AS timeZone
  FROM json_each(?2) AS asked
    LEFT JOIN merged_patients AS merged ON merged.clinic_id = ?1 AND merged.old_id = asked.value
    CROSS JOIN patients ON patients.id = coalesce(merged.survivor_id, asked.value)
      AND +patients.clinic_id = ?1`

type Row = DashboardPatient & { birthDate: string | null; timeZone: string }

const shownOf = ({ id, name, phone, gender, timeZone, ...born }: Row): DashboardPatient => ({
  ...{ id, name, phone, gender },
  age: ageOf(born, localDate(Date.now(), timeZone)),
})

/** The patients of the dates that dashboards show, in memory while they do. */
export function knownPatients(database: D1Database) {
  const known = new Map<string, DashboardPatient>()
  const readAt = new Map<string, number>()

  return {
    known: known as Patients,
    /** Those of the days that were not read, or not lately. */
    missing(days: Parameters<typeof patientsOf>[0]): string[] {
      const since = performance.now() - KNOWN_MS
      return patientsOf(days).filter((id) => (readAt.get(id) ?? Number.NEGATIVE_INFINITY) < since)
    },
    /** One query for any number of them. */
    async load(clinicId: string, ids: string[]): Promise<void> {
      const query = database.prepare(PATIENTS).bind(clinicId, JSON.stringify(ids))
      const { results } = await withTimeout(query.all<Row>(), PATIENTS_MS_MAX)
      for (const id of ids) {
        known.delete(id)
        readAt.set(id, performance.now())
      }
      for (const row of results) known.set(row.id, shownOf(row))
    },
    forget() {
      known.clear()
      readAt.clear()
    },
  }
}
