import { today } from '../access/actions'
import type { Ctx } from '../context'
import { isOff } from '../doctor-day/rules/off'
import type { Opening } from '../doctor-day/state/day'
import { closesAt, type Off, scheduleOf, slotsThatFit, usualSlots } from '../doctor-day/state/slot-times'
import { newId } from '../lib/crypto'
import { type ChangeDoctor, type days, type doctors, type NewDoctor, SLOTS_DEFAULT } from './model'
import type { OnDate } from './on-date'
import { hoursOf } from './weekly-hours'
import { toDayHours } from './working-hours'

/** How many slots the days of a doctor have, when they are, and until when they take patients. */

type DoctorFields = typeof doctors.$inferSelect

/** What the day of a doctor on a date starts with. `onDate`: what is valid on that date. */
export interface DoctorTerms
  extends Pick<DoctorFields, 'id' | 'capacity' | 'capacityByHours' | 'workingHours' | 'retiredAt'> {
  onDate: OnDate
}
type DayRow = typeof days.$inferSelect

/**
 * What a day of the doctor starts with. Clock changes alter how many slots fit into the hours of a date. A
 * day off has the doctor’s usual terms, for the case that it is opened.
 */
export function opening(ctx: Pick<Ctx, 'clinic'>, doctor: DoctorTerms, date: string): Opening {
  const { timeZone, settings } = ctx.clinic
  const { waitlistOfferMinutes: offerMinutes } = settings
  const { weekly } = doctor.onDate
  const ofWeekday = weekly && hoursOf(weekly.week, date)
  const hours = ofWeekday ?? doctor.workingHours
  const isByHours = ofWeekday !== null || doctor.capacityByHours
  const off = offOn(doctor, date)
  return {
    clinicId: ctx.clinic.id,
    doctorId: doctor.id,
    date,
    timeZone,
    capacity: hours && isByHours ? slotsThatFit(date, timeZone, hours) : doctor.capacity,
    ...(hours && { hours }),
    ...(off && { off }),
    ...(offerMinutes !== undefined && { offerMinutes }),
  }
}

/** Why the doctor takes no patients on a date; null where D1 knows no reason. */
export function offOn({ id, retiredAt, onDate }: DoctorTerms, date: string): Off | null {
  const { weekly, leave, closing } = onDate
  if (retiredAt !== null) return { kind: 'retired', id, notes: 'Retired', since: retiredAt }
  // The newer one counts: the date may have been opened between the two.
  if (closing && (!leave || leave.since < closing.since))
    return { kind: 'closing', ...closing, notes: `Closed: ${closing.notes}` }
  if (leave) return { kind: 'leave', ...leave }
  const isDayOff = weekly !== null && hoursOf(weekly.week, date) === null
  return isDayOff ? { kind: 'day_off', id: newId(), notes: 'Day off (weekly hours)', since: 0 } : null
}

/** Whether a day that D1 has copied is closed for a reason that it does not know itself. */
export const isClosed = (off: Off | null, day: Pick<DayRow, 'setAt'> | null): boolean =>
  off !== null && isOff(off, { isUsed: day !== null, setAt: day?.setAt ?? null })

/** A capacity in the request counts. Without one, the working hours decide, separately for each date. */
export function termsOfNewDays({ capacity, working_hours }: Pick<NewDoctor, 'capacity' | 'working_hours'>) {
  const workingHours = working_hours ? toDayHours(working_hours) : null
  const usual = workingHours ? usualSlots(workingHours) : SLOTS_DEFAULT
  return {
    workingHours,
    capacity: capacity ?? usual,
    capacityByHours: workingHours !== null && capacity === undefined,
  }
}

export function changedTerms({ capacity, working_hours }: ChangeDoctor) {
  if (working_hours) return termsOfNewDays({ capacity, working_hours })
  const fixed = capacity === undefined ? {} : { capacity, capacityByHours: false }
  return working_hours === null ? { ...fixed, workingHours: null, capacityByHours: false } : fixed
}

/** Whether doctors still take patients on a date. An unused day closes as the doctor's terms say. */
export function availabilityOn(ctx: Ctx, date = '') {
  const here = today(ctx)
  const closings = new Map<string, number | null>()
  const usualClosing = (doctor: DoctorTerms): number | null => {
    // Many doctors of a clinic have the same hours, and the clocks of a date are slow to read.
    const { workingHours, capacity, capacityByHours, onDate } = doctor
    const terms = JSON.stringify([workingHours, capacity, capacityByHours, onDate.weekly])
    const known = closings.get(terms)
    if (known !== undefined) return known
    const { timeZone, hours, ...day } = opening(ctx, doctor, date)
    const closing = closesAt(scheduleOf(date, timeZone, hours ?? null).timetable, day.capacity)
    closings.set(terms, closing)
    return closing
  }
  return (doctor: DoctorTerms, day: DayRow | null): boolean => {
    if (isClosed(offOn(doctor, date), day)) return false
    if (date !== here) return date > here && (day?.isPresent ?? true)
    const closing = day ? day.closesAt : usualClosing(doctor)
    return (day?.isPresent ?? true) && (closing === null || ctx.now < closing)
  }
}
