import ical, { ICalCalendarMethod, ICalEventStatus } from 'ical-generator'
import type { ShownAppointment } from '../doctor-day/state/views'
import { HOUR_MS, SECOND_MS } from '../lib/time'

/** What a calendar shows of an appointment. Whose it is, it never says. */
export type Visit = Pick<
  ShownAppointment,
  'id' | 'date' | 'slot' | 'startsAt' | 'endsAt' | 'status' | 'moves' | 'createdAt' | 'updatedAt'
>

/** Where the patient goes, and to whom. A doctor’s feed, which works without a key, has neither. */
export interface Place {
  clinicName: string
  /** Null for a key that may not read doctors. */
  doctorName: string | null
}

const PRODUCT = { company: 'Doctorday', product: 'Doctorday', language: 'EN' }

/** How often a calendar that follows a feed is asked to read it. */
const REFRESH_SECONDS = HOUR_MS / SECOND_MS

/** One appointment. One that is cancelled is sent as a cancellation, which removes it from a calendar. */
export const visitCalendar = (visit: Visit, place: Place): string =>
  calendar([visit], isCancelled(visit) ? ICalCalendarMethod.CANCEL : ICalCalendarMethod.PUBLISH, { place })

export const feedCalendar = (visits: Visit[]): string =>
  calendar(visits, ICalCalendarMethod.PUBLISH, { name: 'Appointments', ttl: REFRESH_SECONDS })

interface About {
  name?: string
  ttl?: number
  place?: Place
}

function calendar(visits: Visit[], method: ICalCalendarMethod, { place, ...of }: About) {
  const events = visits.map((visit) => toEvent(visit, place))
  return ical({ ...of, prodId: PRODUCT, method, events }).toString()
}

/** `Appointment with Grace Hopper, Main Street Clinic` */
const summaryOf = ({ clinicName, doctorName }: Place): string =>
  `Appointment${doctorName === null ? '' : ` with ${doctorName}`}, ${clinicName}`

/** A slot without times is an event of the whole date. It has no end: one date is what that means. */
function toEvent(visit: Visit, place?: Place) {
  const { id, date, slot, startsAt, endsAt, createdAt, updatedAt } = visit
  const changed = new Date(updatedAt)
  const summary = place ? summaryOf(place) : 'Appointment'
  const when =
    startsAt && endsAt
      ? { start: new Date(startsAt), end: new Date(endsAt), summary }
      : { start: new Date(date), allDay: true, summary: `${summary}, slot ${slot}` }
  return {
    ...when,
    ...(place && { location: place.clinicName }),
    id,
    sequence: sequenceOf(visit),
    status: isCancelled(visit) ? ICalEventStatus.CANCELLED : ICalEventStatus.CONFIRMED,
    stamp: changed,
    lastModified: changed,
    created: new Date(createdAt),
  }
}

const isCancelled = ({ status }: Visit): boolean => status === 'cancelled'

/**
 * Grows with each move and with the cancellation, after which nothing moves. It never goes down, and is the
 * same in the day and in D1's copy: the number of a day's event is not, after a move or a repair.
 */
const sequenceOf = (visit: Visit): number => 2 * visit.moves + (isCancelled(visit) ? 1 : 0)
