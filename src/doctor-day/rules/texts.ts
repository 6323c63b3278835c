import type { Commands, Decision, Moment } from '../commands'
import type { Appointment, Day, Event } from '../state/day'
import type { LivingText, TextEnd } from '../state/texts'
import { isMoving, notOnDay, offeredSlots, offers, opened, refuse, waitOf } from './facts'

/** What is written of appointments: the rules see marks of the texts, and never the texts. */

/** The marks of the new texts come with the moment. What is neither new nor removed stays. */
export function setTexts(
  day: Day,
  { appointmentId, removed }: Commands['set_texts'],
  { texts: marked = [] }: Moment,
): Decision<Appointment> {
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (isMoving(day, appointmentId)) return refuse('moving')
  return {
    ok: true,
    events: [
      ...textsOf(day, appointmentId)
        .filter(({ kind }) => removed.includes(kind))
        .map((text) => ended(text, 'removed')),
      ...set(day, appointmentId, marked),
    ],
    reply: appointment,
  }
}

/**
 * All texts of a patient end, and the day books nothing for the patient any more. What is under way decides
 * first on which of two days the appointment is.
 */
export function erasePatient(
  day: Day,
  { opening, patientId }: Commands['erase_patient'],
  moment: Moment,
): Decision<{ texts: number }> {
  const isOf = (one: Appointment | undefined) => one?.patientId === patientId
  const isUnderWay = [...day.moves.values()].some(
    ({ state, appointmentId }) => state === 'reserving' && isOf(day.appointments.get(appointmentId)),
  )
  const isComing = [...day.reservations.values()].some(({ appointment }) => isOf(appointment))
  if (isUnderWay || isComing) return refuse('moving')
  const texts = [...day.texts.values()].filter(({ appointmentId }) =>
    isOf(day.appointments.get(appointmentId)),
  )
  const erased: Event[] = day.erased.has(patientId) ? [] : [{ type: 'patient_erased', patientId }]
  const waiting = waitOf(day, patientId)
  const left: Event[] = waiting ? [{ type: 'wait_ended', waitId: waiting.id, how: 'declined' }] : []
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      ...texts.map((text) => ended(text, 'erased')),
      ...left,
      ...erased,
      ...offers(day, offeredSlots(waiting), moment, waiting && { leaving: waiting }),
    ],
    reply: { texts: texts.length },
  }
}

/** With the events of a decision, what they do to texts: some bring texts, some leave them behind. */
export function withTexts(day: Day, events: Event[], { texts: marked = [] }: Moment): Event[] {
  const more = events.flatMap((event): Event[] => {
    switch (event.type) {
      case 'booked':
      case 'cancelled':
      case 'reserved':
        return set(day, event.appointmentId, marked)
      case 'moved_out':
        return textsOf(day, event.appointmentId).map((text) => ended(text, 'moved'))
      case 'reservation_ended': {
        const { appointment } = day.reservations.get(event.moveId) ?? {}
        return appointment ? textsOf(day, appointment.id).map((text) => ended(text, 'released')) : []
      }
      default:
        return []
    }
  })
  return more.length > 0 ? [...events, ...more] : events
}

export const textsOf = (day: Day, appointmentId: string): LivingText[] =>
  day.texts.size === 0 ? [] : [...day.texts.values()].filter((text) => text.appointmentId === appointmentId)

/** A new text replaces the one of its kind. */
function set(day: Day, appointmentId: string, marked: NonNullable<Moment['texts']>): Event[] {
  const before = textsOf(day, appointmentId)
  return marked.flatMap((text): Event[] => [
    ...before.filter(({ kind }) => kind === text.kind).map((earlier) => ended(earlier, 'replaced')),
    { type: 'text_set', appointmentId, ...text },
  ])
}

const ended = ({ appointmentId, textId }: LivingText, why: TextEnd): Event => ({
  type: 'text_ended',
  appointmentId,
  textId,
  why,
})
