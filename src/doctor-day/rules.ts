import { localDate } from '../lib/time'
import type {
  Appointment,
  Arrive,
  Availability,
  Book,
  CheckIn,
  Command,
  Day,
  Decision,
  Event,
  Moment,
  Opening,
  Recorded,
  Refusal,
  Refused,
  Replies,
  ReplyTo,
  SetAvailability,
} from './day'

/**
 * The rules of a doctor’s day. No clock, no I/O, no storage: a command and a state give events and a reply.
 */

export function decide<C extends Command>(day: Day, command: C, moment: Moment): Decision<ReplyTo<C>> {
  const clinicId = command.type === 'check_in' ? command.clinicId : command.opening.clinicId
  if (day.place && day.place.clinicId !== clinicId) return refuse('not_found')
  const rule = RULES[command.type] as (day: Day, command: C, moment: Moment) => Decision<ReplyTo<C>>
  return rule(day, command, moment)
}

const RULES: {
  [T in Command['type']]: (
    day: Day,
    command: Extract<Command, { type: T }>,
    moment: Moment,
  ) => Decision<Replies[T]>
} = { book, set_availability: setAvailability, check_in: checkIn }

function book(day: Day, command: Book, { at }: Moment): Decision<Appointment> {
  const { opening, appointmentId, patientId, allowAnother } = command
  const { capacity } = day.place ? day : opening
  if (day.availability?.isPresent === false) return refuse('doctor_absent')
  if (day.patients.has(patientId) && !allowAnother) return refuse('already_booked')
  if (day.slots.size >= capacity) return refuse('day_full')
  const booked = { type: 'booked', appointmentId, patientId, slot: day.lowestFreeSlot } as const
  return {
    ok: true,
    events: [...openingOf(day, opening), booked],
    reply: appointmentOf(opening, { ...booked, at }),
  }
}

function setAvailability(day: Day, command: SetAvailability, moment: Moment): Decision<Availability> {
  const { opening, isPresent, notes } = command
  const before = day.place ? day.capacity : opening.capacity
  const capacity = command.capacity ?? before
  if (capacity < lastTakenSlot(day)) return refuse('capacity_below_taken')
  const set = { type: 'availability_set', id: day.availability?.id ?? command.id, isPresent, notes } as const
  const resized: Event[] = capacity === before ? [] : [{ type: 'capacity_set', capacity }]
  return {
    ok: true,
    events: [...openingOf(day, opening), set, ...resized],
    reply: { id: set.id, isPresent, notes, capacity, updatedBy: moment.actor, updatedAt: moment.at },
  }
}

function checkIn(day: Day, command: Arrive, { at }: Moment): Decision<CheckIn> {
  const { checkInId, appointmentId, patientId } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return refuse('not_found')
  if (appointment.patientId !== patientId) return refuse('wrong_patient')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  if (localDate(at, day.timeZone) !== appointment.date) return refuse('wrong_date')
  const arrived = { type: 'checked_in', checkInId, appointmentId, position: day.checkIns.size + 1 } as const
  return { ok: true, events: [arrived], reply: checkInOf(patientId, { ...arrived, at }) }
}

const refuse = (refused: Refusal): Refused => ({ ok: false, refused })

/** The first write to a day puts into its log whose day it is. */
const openingOf = (day: Day, opening: Opening): Event[] => (day.place ? [] : [{ type: 'opened', ...opening }])

/** Slots are numbered 1 … capacity, so capacity cannot fall below the highest one taken. */
const lastTakenSlot = (day: Day): number => Math.max(0, ...day.slots.keys())

type Timed<Type extends Event['type']> = Extract<Event, { type: Type }> & { at: number }

const appointmentOf = (place: { doctorId: string; date: string }, booked: Timed<'booked'>): Appointment => ({
  id: booked.appointmentId,
  patientId: booked.patientId,
  doctorId: place.doctorId,
  date: place.date,
  slot: booked.slot,
  status: 'booked',
  createdAt: booked.at,
  updatedAt: booked.at,
})

const checkInOf = (patientId: string, arrived: Timed<'checked_in'>): CheckIn => ({
  id: arrived.checkInId,
  appointmentId: arrived.appointmentId,
  patientId,
  position: arrived.position,
  checkedInAt: arrived.at,
  status: 'waiting',
})

/**
 * The day after one more event. Changes the day it is given, so that an event costs the same on a day of 10
 * slots and of 1,000; `decide` never changes one.
 */
export function evolve(day: Day, event: Recorded): Day {
  day.version = event.seq
  switch (event.type) {
    case 'opened': {
      const { clinicId, doctorId, date, timeZone, capacity } = event
      return Object.assign(day, { place: { clinicId, doctorId, date }, timeZone, capacity })
    }
    case 'capacity_set':
      return Object.assign(day, { capacity: event.capacity })
    case 'availability_set': {
      const { id, isPresent, notes, actor, at } = event
      return Object.assign(day, { availability: { id, isPresent, notes, updatedBy: actor, updatedAt: at } })
    }
    case 'booked':
      return take(day, appointmentOf(day.place ?? { doctorId: '', date: '' }, event))
    case 'checked_in': {
      const patientId = day.appointments.get(event.appointmentId)?.patientId ?? ''
      day.checkIns.set(event.appointmentId, checkInOf(patientId, event))
      return day
    }
  }
}

function take(day: Day, appointment: Appointment): Day {
  day.appointments.set(appointment.id, appointment)
  day.slots.set(appointment.slot, appointment)
  day.patients.add(appointment.patientId)
  while (day.slots.has(day.lowestFreeSlot)) day.lowestFreeSlot += 1
  return day
}
