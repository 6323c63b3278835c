import { today } from '../access/actions'
import type { Ctx } from '../context'
import type { Opening } from '../doctor-day/state/day'
import { closesAt, scheduleOf, slotsThatFit, usualSlots } from '../doctor-day/state/slot-times'
import { type ChangeDoctor, type days, type doctors, type NewDoctor, SLOTS_DEFAULT } from './model'
import { toDayHours } from './working-hours'

/** How many slots the days of a doctor have, when they are, and until when they take patients. */

type DoctorRow = typeof doctors.$inferSelect

/** What a doctor's days start with. */
export type DoctorTerms = Pick<DoctorRow, 'id' | 'capacity' | 'capacityByHours' | 'workingHours'>
type DayRow = typeof days.$inferSelect

/** What a day of the doctor starts with. Clock changes alter how many slots fit into the hours of a date. */
export function opening(ctx: Ctx, doctor: DoctorTerms, date: string): Opening {
  const { timeZone } = ctx.clinic
  const { workingHours: hours, capacity, capacityByHours } = doctor
  return {
    clinicId: ctx.clinic.id,
    doctorId: doctor.id,
    date,
    timeZone,
    capacity: hours && capacityByHours ? slotsThatFit(date, timeZone, hours) : capacity,
    ...(hours && { hours }),
  }
}

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
  const usualClosing = (doctor: DoctorRow): number | null => {
    // Many doctors of a clinic have the same hours, and the clocks of a date are slow to read.
    const terms = JSON.stringify([doctor.workingHours, doctor.capacity, doctor.capacityByHours])
    const known = closings.get(terms)
    if (known !== undefined) return known
    const { timeZone, capacity, hours = null } = opening(ctx, doctor, date)
    const closing = closesAt(scheduleOf(date, timeZone, hours).timetable, capacity)
    closings.set(terms, closing)
    return closing
  }
  return (doctor: DoctorRow, day: DayRow | null): boolean => {
    if (date !== here) return date > here && (day?.isPresent ?? true)
    const closing = day ? day.closesAt : usualClosing(doctor)
    return (day?.isPresent ?? true) && (closing === null || ctx.now < closing)
  }
}
