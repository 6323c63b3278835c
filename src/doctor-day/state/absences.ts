import type { Opening } from './day'

/** Why a doctor takes no patients on a date. */
export type OffRefusal = 'doctor_absent' | 'doctor_retired' | 'on_leave' | 'clinic_closed'

/** That a doctor is absent on a date. The reply names the appointments that the absence affects. */
export interface AbsenceOf {
  opening: Opening
  id: string
  reason: string
  /** The day to which the affected patients move; null: none moves. */
  moveTo: Opening | null
  leave?: LeaveOfDay
}

/** The leave that reaches the date. */
interface LeaveOfDay {
  id: string
  /** When it was declared (epoch ms). */
  since: number
  /** The day does not begin later: the leave may have been cancelled while the call was on its way. */
  until: number
}
