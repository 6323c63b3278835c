import type {
  Booking,
  DoctorDate,
  FirstTerms,
  MovedTo,
  Opening,
  Priority,
  Remains,
  Transfer,
  Visit,
  WaitlistPlace,
} from './day'
import type { Aliases } from './person'
import type { WorkingHours } from './slot-times'
import type { TextEvent } from './texts'
import type { WishEvent } from './wish'

/** What happens on a day, as its log has it. */

/** `fulfilled`, `left`: the wish that the place was part of has ended. */
type WaitEnd = 'accepted' | 'booked' | 'declined' | 'lapsed' | 'fulfilled' | 'left'

export type Event =
  | ({ type: 'opened' } & FirstTerms)
  | { type: 'capacity_set'; capacity: number }
  | { type: 'hours_set'; hours: WorkingHours | null }
  /** `leaveId`: set by the begin or the end of a leave. */
  | { type: 'availability_set'; id: string; isPresent: boolean; notes: string | null; leaveId?: string }
  | ({ type: 'booked'; slot: number } & Booking)
  /** `reason`: only of an earlier version of the service; today it is a text. */
  | { type: 'cancelled'; appointmentId: string; reason: string | null; waiting?: WaitlistPlace }
  | { type: 'absence_struck'; appointmentIds: string[] }
  | { type: 'slot_changed'; appointmentId: string; slot: number }
  | ({ type: 'held'; holdId: string; slot: number; expiresAt: number } & Visit)
  | { type: 'hold_ended'; holdId: string; how: 'booked' | 'released' | 'expired' }
  | ({ type: 'waitlisted'; waitId: string; patientId: string; wish?: number; offerMinutes?: number } & Visit)
  | { type: 'offered'; waitId: string; slot: number; deadline: number }
  | { type: 'wait_ended'; waitId: string; how: WaitEnd }
  | { type: 'checked_in'; checkInId: string; appointmentId: string; position: number; priority: Priority }
  /** Holds what the copy in D1 has to keep of the check-in. */
  | { type: 'unchecked_in'; appointmentId: string; checkInId: string; position: number; checkedInAt: number }
  | { type: 'called'; appointmentId: string; room: string }
  | { type: 'served'; appointmentId: string }
  | { type: 'unserved'; appointmentId: string }
  | { type: 'skipped'; appointmentId: string }
  | { type: 'requeued'; appointmentId: string }
  | { type: 'no_show'; appointmentId: string }
  | { type: 'move_began'; moveId: string; appointmentId: string; to: Opening }
  | { type: 'moved_out'; moveId: string; appointmentId: string; to: DoctorDate; slot: number }
  | { type: 'move_aborted'; moveId: string; appointmentId: string; why: string }
  | { type: 'move_settled'; moveId: string }
  | ({ type: 'reserved'; moveId: string; slot: number; from: DoctorDate } & Transfer & Aliases)
  | { type: 'moved_in'; moveId: string; appointmentId: string }
  | { type: 'reservation_ended'; moveId: string }
  | { type: 'pointed'; appointmentId: string; to: MovedTo }
  | WishEvent
  | ({ type: 'rebuilt' } & Remains)
  | TextEvent
  /** Written by a newer version of the service; `stored` is its JSON. This one never writes it. */
  | { type: 'unknown'; stored: string }

export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>

/** An event in the log, with its number, its time (epoch ms) and the API key that caused it. */
export type Recorded<E extends Event = Event> = E & { seq: number; at: number; actor: string }
