import { SECOND_MS } from '../lib/time'

/**
 * After it D1’s copy of a day has what the day has decided, or the day was restarted and copies late. A day
 * that nobody uses copies at once, and one in a rush every half second.
 */
const ASKED_MS = 5 * SECOND_MS

/** A list of one patient waits for this many days at most. */
const DAYS_MAX = 10

/** In memory: beyond it the oldest are forgotten, and their lists may lag. */
const PATIENTS_MAX = 10_000

interface AskedDay {
  doctorId: string
  date: string
}

/** Which days were lately asked to book which patient: D1’s copy of these days may lag behind. */
export interface AskedDays {
  /** `row`: the head of an entry, then the patient, the doctor and the date. */
  note(row: string, now: number): void
  of(clinicId: string, patientId: string, now: number): AskedDay[]
}

export function askedDays(): AskedDays {
  const patients = new Map<string, { days: Map<string, AskedDay>; until: number }>()
  const nameOf = (clinicId: string, patientId: string) => JSON.stringify([clinicId, patientId])

  function forgetOld(now: number): void {
    for (const [name, { until }] of patients) {
      if (until > now && patients.size <= PATIENTS_MAX) return
      patients.delete(name)
    }
  }

  return {
    note(row, now) {
      const [, clinicId, , , , , , , patientId, doctorId, date] = JSON.parse(row) as string[]
      if (!clinicId || !patientId || !doctorId || !date) return
      const name = nameOf(clinicId, patientId)
      const days = patients.get(name)?.days ?? new Map<string, AskedDay>()
      patients.delete(name)
      if (days.size < DAYS_MAX) days.set(`${doctorId}/${date}`, { doctorId, date })
      patients.set(name, { days, until: now + ASKED_MS })
      forgetOld(now)
    },
    of(clinicId, patientId, now) {
      const known = patients.get(nameOf(clinicId, patientId))
      return known && known.until > now ? [...known.days.values()] : []
    },
  }
}
