import type { Command, Moment, StepName, UndoName } from '../src/doctor-day/commands'
import { decide } from '../src/doctor-day/rules/rules'
import type { Appointment, Day, Opening } from '../src/doctor-day/state/day'
import type { Recorded } from '../src/doctor-day/state/event'
import { emptyDay, evolve } from '../src/doctor-day/state/fold'
import type { WorkingHours } from '../src/doctor-day/state/slot-times'

/** Commands for a day of three slots: appointment `a1`, hold `h1`, place in the waitlist `w1`, patient `p1`. */

export const DATE = '2026-03-14'
export const NOON = Date.parse(`${DATE}T12:00:00Z`)
export const MINUTE = 60_000
export const OPENING: Opening = { clinicId: 'c', doctorId: 'd', date: DATE, timeZone: 'UTC', capacity: 3 }
export const at = (now: number): Moment => ({ at: now, actor: 'key', offerMs: 15 * MINUTE })

/** Applies a command as the object does, and keeps the log. */
export function apply(day: Day, log: Recorded[], command: Command, now = NOON, seen = (_: Day) => {}) {
  const decision = decide(day, command, at(now))
  if (!decision.ok) return decision
  for (const event of decision.events) {
    const recorded = { ...event, seq: day.version + 1, at: now, actor: 'key' } as Recorded
    log.push(recorded)
    seen(evolve(day, recorded))
  }
  return decision
}

export const clinicId = 'c'
const elsewhere: Appointment = {
  id: '',
  patientId: 'p1',
  doctorId: 'd',
  date: '2026-03-15',
  slot: 1,
  timeSlot: null,
  startsAt: null,
  endsAt: null,
  status: 'booked',
  createdAt: NOON,
  updatedAt: NOON,
  moves: 1,
}
export const book = (n: number, allowAnother = false, patient = n % 7): Command => ({
  type: 'book',
  opening: OPENING,
  appointmentId: `a${n}`,
  patientId: `p${patient}`,
  allowAnother,
})
/** A day without a free slot. */
export const FULL = [book(1), book(2), book(3)]
export const bookHeld = (hold: number, n: number): Command => ({
  type: 'book_held',
  clinicId,
  holdId: `h${hold}`,
  appointmentId: `a${n}`,
  patientId: `p${n % 7}`,
  allowAnother: false,
})
export const cancel = (n: number): Command => ({
  type: 'cancel',
  clinicId,
  appointmentId: `a${n}`,
  reason: null,
})
export const hold = (n: number, minutes = 5): Command => ({
  type: 'hold',
  opening: OPENING,
  holdId: `h${n}`,
  ttlMs: minutes * MINUTE,
})
export const release = (n: number): Command => ({ type: 'release_hold', clinicId, holdId: `h${n}` })
export const wait = (n: number, patient = n): Command => ({
  type: 'wait',
  opening: OPENING,
  waitId: `w${n}`,
  patientId: `p${patient}`,
  allowAnother: false,
})
export const accept = (wanted: number, n: number): Command => ({
  type: 'accept_offer',
  clinicId,
  waitId: `w${wanted}`,
  appointmentId: `a${n}`,
})
export const decline = (n: number): Command => ({ type: 'stop_waiting', clinicId, waitId: `w${n}` })
export const arrive = (n: number, patient = n % 7, priority: 'urgent' | 'normal' = 'normal'): Command => ({
  type: 'check_in',
  clinicId,
  checkInId: `i${n}`,
  appointmentId: `a${n}`,
  patientId: `p${patient}`,
  priority,
})
export const walkIn = (n: number): Command => ({
  type: 'walk_in',
  opening: OPENING,
  appointmentId: `a${n}`,
  checkInId: `i${n}`,
  patientId: `p${n % 7}`,
  priority: 'normal',
  allowAnother: false,
})
export const next = (room = 'r1'): Command => ({ type: 'call_next', opening: OPENING, room })
export const step = (n: number, name: StepName): Command => ({
  type: 'step',
  clinicId,
  appointmentId: `a${n}`,
  step: name,
})
export const undo = (n: number, name: UndoName, mayAmend = false): Command => ({
  type: 'undo',
  clinicId,
  appointmentId: `a${n}`,
  undo: name,
  mayAmend,
})
export const say = (
  isPresent: boolean,
  capacity: number | null = null,
  hours?: WorkingHours | null,
): Command => ({
  type: 'set_availability',
  opening: OPENING,
  id: 'v',
  isPresent,
  notes: null,
  capacity,
  hours,
})
export const reserve = (n: number, patient = n % 7, allowAnother = false): Command => ({
  type: 'reserve',
  opening: OPENING,
  moveId: `m${n}`,
  appointmentId: `x${n}`,
  patientId: `p${patient}`,
  createdAt: NOON,
  moves: 1,
  from: { doctorId: 'd', date: '2026-03-13' },
  allowAnother,
})
export const confirm = (n: number): Command => ({ type: 'confirm_move', clinicId, moveId: `m${n}` })
export const giveBack = (n: number): Command => ({ type: 'release_move', opening: OPENING, moveId: `m${n}` })
export const leave = (n: number, appointmentId = `a${n}`): Command => ({
  type: 'begin_move',
  clinicId,
  appointmentId,
  moveId: `o${n}`,
  to: { ...OPENING, date: '2026-03-15' },
  allowAnother: false,
})
/** The other day gave slot 1, or refused, or could not be reached. */
export const end = (n: number, how: 'moved' | 'refused' | 'lost', appointmentId = `a${n}`): Command => ({
  type: 'end_move',
  clinicId,
  moveId: `o${n}`,
  outcome:
    how === 'moved'
      ? { ok: true, appointment: { ...elsewhere, id: appointmentId } }
      : how === 'refused'
        ? { ok: false, refused: 'day_full' }
        : null,
})
export const settle = (n: number): Command => ({ type: 'settle_move', clinicId, moveId: `o${n}` })
export const absent = (reason = 'ill'): Command => ({
  type: 'declare_absence',
  opening: OPENING,
  id: 'v',
  reason,
  moveTo: null,
})
/** By a leave that was declared at an instant. */
export const onLeave = (id: string, since: number): Command =>
  ({ ...absent(), reason: 'away', leave: { id, since, until: Number.POSITIVE_INFINITY } }) as Command
export const endLeave = (leaveId: string, off?: Opening['off']): Command => ({
  type: 'end_absence',
  opening: { ...OPENING, ...(off && { off }) },
  leaveId,
})
/** The patient is known by other ids as well: the records were merged. */
export const alsoKnownAs = (command: Command, patients: number[]): Command =>
  ({ ...command, alsoKnownAs: patients.map((n) => `p${n}`) }) as Command
export const erase = (patient: number): Command => ({
  type: 'erase_patient',
  opening: OPENING,
  patientId: `p${patient}`,
})
export const LAPSE: Command = { type: 'lapse' }

export const dayAfter = (...commands: Command[]): Day => {
  const day = emptyDay()
  for (const command of commands) apply(day, [], command)
  return day
}
export const refusedBy = (day: Day, command: Command, now = NOON) => {
  const decision = decide(day, command, at(now))
  return decision.ok ? 'accepted' : decision.refused
}
