import type { Commands, Decision, Moment } from '../commands'
import type { Appointment, Day } from '../state/day'
import type { Event } from '../state/event'
import { idsOf } from '../state/person'
import { slotsOfPlace } from '../state/slots'
import type { LivingText, TextEnd } from '../state/texts'
import { isOpenWish } from '../state/wish'
import { isMoving, notOnDay, offeredSlots, offers, opened, refuse, waitsOf } from './facts'
import { dateRefusal } from './off'

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
 * All texts of a patient end, under whichever id; the patient waits for nothing and has no visit ahead, and
 * the day books nothing for the patient any more: a request that found the patient earlier may arrive later.
 * While an appointment moves, two days decide where it is; so the erasure comes after that.
 */
export function erasePatient(
  day: Day,
  command: Commands['erase_patient'],
  moment: Moment,
): Decision<{ texts: number; cancelled: number }> {
  const { opening } = command
  const ids = idsOf(command)
  const own = [...day.appointments.values()].filter((one) => ids.includes(one.patientId))
  const isComing = [...day.reservations.values()].some(({ appointment }) =>
    ids.includes(appointment.patientId),
  )
  if (isComing || own.some(({ id }) => isMoving(day, id))) return refuse('moving')
  const texts = own.flatMap(({ id }) => textsOf(day, id))
  const ahead = dateRefusal(opening, moment.at) ? [] : own.filter((one) => isAhead(day, one))
  const leaving = waitsOf(day, command)
  const wished = [...day.wishes.values()].filter((wish) => ids.includes(wish.patientId) && isOpenWish(wish))
  const freed = [...ahead.flatMap(slotsOfPlace), ...offeredSlots(leaving)]
  const events: Event[] = [
    ...opened(day, opening),
    ...texts.map((text) => ended(text, 'erased')),
    ...ahead.map(({ id }): Event => ({ type: 'cancelled', appointmentId: id, reason: null })),
    ...leaving.map(({ id }): Event => ({ type: 'wait_ended', waitId: id, how: 'declined' })),
    // The other days of a wish hear of its end from this one.
    ...wished.filter(({ claim }) => !claim).map(({ id }): Event => ({ type: 'wish_left', wishId: id })),
    ...ids
      .filter((id) => !day.erased.has(id))
      .map((patientId): Event => ({ type: 'patient_erased', patientId })),
    ...offers(day, freed, moment, { leaving }),
  ]
  return { ok: true, events, reply: { texts: texts.length, cancelled: ahead.length } }
}

const isAhead = (day: Day, { id, status }: Appointment): boolean =>
  status === 'booked' && !day.checkIns.has(id)

/** Whether the visit is one of an erased patient. */
export const isErased = (day: Day, { appointmentId }: { appointmentId: string }): boolean =>
  day.erased.has(day.appointments.get(appointmentId)?.patientId ?? '')

/**
 * With the events of a decision, what they do to texts: some bring texts, some leave them behind. The reason
 * of cancelling the visit of an erased patient is dropped.
 */
export function withTexts(day: Day, events: Event[], { texts: marked = [] }: Moment): Event[] {
  const more = events.flatMap((event): Event[] => {
    switch (event.type) {
      case 'booked':
      case 'cancelled':
      case 'reserved':
        return isErased(day, event) ? [] : set(day, event.appointmentId, marked)
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
