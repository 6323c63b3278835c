import { SECOND_MS } from '../lib/time'

/**
 * After it D1’s copy of a day has what the day has decided, or the day was restarted and copies late. A day
 * that nobody uses copies at once, and one in a rush every half second.
 */
const ASKED_MS = 5 * SECOND_MS

/** A list of one patient waits for this many days, and asks about this many moves, at most. */
const OF_ONE_MAX = { days: 10, moves: 100 }

/** Patients, and clinics with moves. Beyond it the oldest are forgotten, and their lists may lag. */
const KNOWN_MAX = 10_000

/** A day by its key, or by its doctor and date. */
export type AskedDay = { key: string } | { doctorId: string; date: string }

/** `doctorId`: null where the appointment stays with its doctor. */
export interface AskedMove {
  appointmentId: string
  doctorId: string | null
  date: string
}

/** What the entry of a request tells of the day that it leads to; null: not told. */
export interface Leads {
  patientId: string | null
  doctorId: string | null
  date: string | null
  /** The appointment that moves to this day. */
  appointmentId: string | null
  /** Instead of doctor and date. */
  day: string | null
}

/** D1’s copy of these days may lag behind. */
export interface Asked {
  /** Days that were lately asked to book the patient. */
  days: AskedDay[]
  /** Appointments of the clinic, of any patient, that were lately to move. */
  moves: AskedMove[]
}

export interface AskedDays {
  note(clinicId: string, leads: Leads, now: number): void
  of(clinicId: string, patientId: string, now: number): Asked
}

export function askedDays(): AskedDays {
  // Who is booked again has often just cancelled elsewhere.
  const days = recent<AskedDay>({ most: OF_ONE_MAX.days, isKeptTogether: true })
  const moves = recent<AskedMove>({ most: OF_ONE_MAX.moves, isKeptTogether: false })
  return {
    note(clinicId, { patientId, doctorId, date, appointmentId, day }, now) {
      const asked = day !== null ? { key: day } : doctorId !== null && date !== null && { doctorId, date }
      if (patientId !== null && asked) days.add(JSON.stringify([clinicId, patientId]), asked, now)
      if (appointmentId !== null && date !== null) moves.add(clinicId, { appointmentId, doctorId, date }, now)
    },
    of: (clinicId, patientId, now) => ({
      days: days.of(JSON.stringify([clinicId, patientId]), now),
      moves: moves.of(clinicId, now),
    }),
  }
}

/**
 * What was lately noted under a name, each thing once, the newest `most` of them. `isKeptTogether`: all of a
 * name last as long as the newest.
 */
function recent<Thing>({ most, isKeptTogether }: { most: number; isKeptTogether: boolean }) {
  const known = new Map<string, { things: Map<string, { thing: Thing; until: number }>; until: number }>()

  function forgetOld(now: number): void {
    for (const [name, { until }] of known) {
      if (until > now && known.size <= KNOWN_MAX) return
      known.delete(name)
    }
  }

  return {
    add(name: string, thing: Thing, now: number): void {
      const things = known.get(name)?.things ?? new Map<string, { thing: Thing; until: number }>()
      const [until, id] = [now + ASKED_MS, JSON.stringify(thing)]
      things.delete(id)
      const [oldest] = things.keys()
      if (things.size >= most && oldest !== undefined) things.delete(oldest)
      things.set(id, { thing, until })
      known.delete(name)
      known.set(name, { things, until })
      forgetOld(now)
    },
    of(name: string, now: number): Thing[] {
      const { things, until: lasting = 0 } = known.get(name) ?? {}
      return [...(things?.values() ?? [])].flatMap(({ thing, until }) =>
        (isKeptTogether ? lasting : until) > now ? [thing] : [],
      )
    },
  }
}
