import { allowsAnother } from '../access/actions'
import { requireScopes } from '../access/permissions'
import type { Ctx } from '../context'
import { decideOn, moveOn, replyOrThrow, see } from '../doctor-day/client'
import type { DoctorDate, Opening } from '../doctor-day/state/day'
import { idsOf, type Person } from '../doctor-day/state/person'
import type { WishedDate } from '../doctor-day/state/wish'
import { dayKey, NEW_ID } from '../doctor-day/storage/address'
import type { Accepted } from '../doctor-day/wish-commands'
import { requireDay } from '../doctors/actions'
import { findDay, findNewDay, findOtherDay, findPatient, findPatientAndDay } from '../doctors/finding'
import { onDates } from '../doctors/on-date'
import { opening } from '../doctors/terms'
import { invalid } from '../http/failure'
import { SECOND_MS } from '../lib/time'
import { aliasesAmong } from '../merges/finding'
import { choiceOf } from './choice'
import { dayOf, dayOfAppointment, noRecord } from './ids'
import {
  type Appointment,
  type BookAppointment,
  type CancelAppointment,
  type Hold,
  type NewHold,
  type ReleasedHold,
  type Reschedule,
  toAppointment,
  toHold,
} from './model'
import { textsOf } from './texts'
import {
  type JoinWaitlist,
  type LeftWaitlist,
  toWaiting,
  toWaitingWish,
  type Waiting,
  type WaitingWish,
  wishedDates,
} from './waitlist'

/** The Recorder finds patient and doctor and claims the key; then the day alone decides. */
export async function book(ctx: Ctx, wanted: BookAppointment): Promise<Appointment> {
  const { patient_id, doctor_id = '', date = '', hold_id, time_slot } = wanted
  if (hold_id !== undefined) return bookHeld(ctx, wanted, hold_id)
  if (wanted.back_dated) requireScopes(ctx, ['appointments:backdate'], 'back_dated')
  const wantedDay = { patient_id, doctor_id, date, service_id: wanted.service_id }
  const { patient, doctor, opId, known, visit } = await findPatientAndDay(ctx, wantedDay)
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const command = {
    type: 'book',
    opening: opening(ctx, doctor, date),
    appointmentId: NEW_ID,
    ...patient,
    ...(time_slot != null && { timeSlot: time_slot }),
    allowAnother: allowsAnother(ctx, wanted),
    ...visit,
    ...choiceOf(wanted),
    ...(wanted.back_dated && { isBackDated: true }),
  } as const
  return toAppointment(await decideOn(ctx, day, opId, command, known, textsOf(wanted)))
}

const OTHER_DAY = 'hold_id is of another doctor or date than doctor_id and date; send hold_id without them'

/** A hold’s id contains its day’s key, so doctor and date need no look-up. */
async function bookHeld(ctx: Ctx, wanted: BookAppointment, holdId: string): Promise<Appointment> {
  const day = dayOf(ctx, holdId)
  const { doctor_id, date } = wanted
  if (doctor_id !== undefined && date !== undefined && day !== dayKey(ctx.clinic.id, doctor_id, date))
    throw invalid([{ field: 'hold_id', rule: 'value', message: OTHER_DAY }])
  const { opId, patient } = await findPatient(ctx, wanted.patient_id, day)
  const command = {
    type: 'book_held',
    clinicId: ctx.clinic.id,
    holdId,
    appointmentId: NEW_ID,
    ...patient,
    ...(wanted.time_slot != null && { timeSlot: wanted.time_slot }),
    allowAnother: allowsAnother(ctx, wanted),
  } as const
  return toAppointment(await decideOn(ctx, day, opId, command, undefined, textsOf(wanted)))
}

/** The same step frees the slot, or offers it to the first patient on the waitlist. */
export async function cancel(ctx: Ctx, id: string, { reason }: CancelAppointment): Promise<Appointment> {
  const day = await dayOfAppointment(ctx, id)
  const { opId } = await ctx.once.claim()
  const cancelled = await decideOn(ctx, day, opId, {
    type: 'cancel',
    clinicId: ctx.clinic.id,
    appointmentId: id,
    reason,
  })
  return toAppointment(cancelled)
}

/** The appointment keeps its id, and it keeps its slot until the other day has reserved one. */
export async function reschedule(ctx: Ctx, id: string, wanted: Reschedule): Promise<Appointment> {
  const day = await dayOfAppointment(ctx, id)
  const { opId, doctor, known, aliases } = await findTarget(ctx, id, wanted)
  const moved = await moveOn(ctx, day, opId, {
    type: 'begin_move',
    clinicId: ctx.clinic.id,
    appointmentId: id,
    to: opening(ctx, doctor, wanted.date),
    ...aliases,
    allowAnother: allowsAnother(ctx, wanted),
    ...choiceOf(wanted),
    known,
  })
  return toAppointment(replyOrThrow(moved))
}

/**
 * The doctor stays where the caller names none. D1’s copy guesses that doctor in the lot that claims the key,
 * while the day is asked: the copy may lack the appointment, or not know yet where it has moved.
 */
async function findTarget(ctx: Ctx, id: string, { doctor_id, date }: Reschedule) {
  if (doctor_id !== undefined) return findOtherDay(ctx, id, doctor_id, date)
  const [{ doctor_id: doctorId }, guess] = await Promise.all([
    getAppointment(ctx, id),
    findNewDay(ctx, id, date),
  ])
  const { opId, doctor, known, aliases } = guess
  if (doctor?.id === doctorId) return { opId, doctor, known, aliases }
  return { opId, aliases, ...(await requireDay(ctx, doctorId, date)) }
}

export async function holdSlot(ctx: Ctx, wanted: NewHold): Promise<Hold> {
  const { doctor_id, date, service_id } = wanted
  const { opId, doctor, known, visit } = await findDay(ctx, doctor_id, date, service_id)
  const day = dayKey(ctx.clinic.id, doctor.id, wanted.date)
  const command = {
    type: 'hold',
    opening: opening(ctx, doctor, wanted.date),
    holdId: NEW_ID,
    ttlMs: wanted.ttl_seconds * SECOND_MS,
    ...visit,
    ...choiceOf(wanted),
  } as const
  return toHold(await decideOn(ctx, day, opId, command, known))
}

export async function releaseHold(ctx: Ctx, holdId: string): Promise<ReleasedHold> {
  const { id } = await decideOn(ctx, dayOf(ctx, holdId), ctx.once.opId, {
    type: 'release_hold',
    clinicId: ctx.clinic.id,
    holdId,
  })
  return { hold_id: id, released: true }
}

/** A patient who waits already gets the same place again, with `isNew` false. */
export async function joinWaitlist(
  ctx: Ctx,
  wanted: JoinWaitlist,
): Promise<{ waiting: Waiting | WaitingWish; isNew: boolean }> {
  const dates = wishedDates(wanted)
  const date = dates?.[0] ?? wanted.date ?? ''
  const { patient, doctor, opId, known, visit } = await findPatientAndDay(ctx, { ...wanted, date })
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const place = {
    opening: opening(ctx, doctor, date),
    waitId: NEW_ID,
    ...patient,
    ...visit,
    allowAnother: allowsAnother(ctx, wanted),
  }
  if (dates) {
    const command = { type: 'make_wish', wishId: NEW_ID, ...place, ...eachDayChoice(wanted) } as const
    const onDate = await onDates(ctx, [doctor.id], date, dates.at(-1) ?? date)
    const terms = dates.map((one) =>
      termsOn(opening(ctx, { ...doctor, onDate: onDate(doctor.id, one) }, one)),
    )
    const { isNew, wish } = await decideOn(ctx, day, opId, { ...command, dates: terms }, known)
    if (!wish) throw noRecord()
    return { waiting: toWaitingWish(wish, doctor.id), isNew }
  }
  const command = { type: 'wait', ...place, ...choiceOf(wanted) } as const
  const waiting = await decideOn(ctx, day, opId, command, known)
  return { waiting: toWaiting(waiting), isNew: waiting.isNew }
}

/** The log of a day has no texts: that of a day off is no person’s. */
const termsOn = ({ date, capacity, hours, off }: Opening): WishedDate => ({
  date,
  capacity,
  ...(hours && { hours }),
  ...(off && { off: { ...off, notes: off.kind === 'day_off' ? off.notes : '' } }),
})

/** An instant is on one date only. */
function eachDayChoice({ slot, time }: JoinWaitlist) {
  if (slot !== undefined) return { choice: { slot } }
  return time === undefined ? {} : { choice: { time } }
}

/** The id contains the key of the day that decides on the wish. */
export async function getWish(ctx: Ctx, id: string): Promise<WaitingWish> {
  const { seen } = await see(ctx, dayOf(ctx, id), { view: 'wish', id })
  if (!seen) throw noRecord()
  return toWaitingWish(seen.wish, seen.doctorId)
}

/** Ends the other places of the patient on the waitlist: there are some where two records were merged. */
export async function acceptOffer(ctx: Ctx, waitId: string): Promise<Appointment> {
  const day = dayOf(ctx, waitId)
  const { seen } = await see(ctx, day, { view: 'waiting', id: waitId })
  // A place that is over may be the place of a retry.
  const found = seen && (await findAccepted(ctx, seen))
  const { opId } = found ?? (await ctx.once.claim())
  const command = { type: 'accept_offer', clinicId: ctx.clinic.id, waitId, appointmentId: NEW_ID } as const
  return toAppointment(await decideOn(ctx, day, opId, { ...command, ...found?.accepted }, found?.known))
}

/** Finds the patient, whom somebody may have erased, and what D1 knows of the day, and claims the key. */
async function findAccepted(ctx: Ctx, { patientId, doctorId, date }: Person & DoctorDate) {
  const wanted = { patient_id: patientId, doctor_id: doctorId, date }
  const { opId, patient, doctor, known } = await findPatientAndDay(ctx, wanted)
  const { off } = opening(ctx, doctor, date)
  const accepted: Accepted = { ...aliasesAmong(idsOf(patient)), ...(off && { off }) }
  return { opId, known, accepted }
}

export async function leaveWaitlist(ctx: Ctx, waitId: string): Promise<LeftWaitlist> {
  const day = dayOf(ctx, waitId)
  const { opId } = await ctx.once.claim()
  const { id } = await decideOn(ctx, day, opId, {
    type: 'stop_waiting',
    clinicId: ctx.clinic.id,
    waitId,
  })
  return { id, status: 'declined' }
}

/** The id contains the day’s key, so the day needs no look-up. */
export async function getAppointment(ctx: Ctx, id: string): Promise<Appointment> {
  const { seen } = await see(ctx, await dayOfAppointment(ctx, id), { view: 'appointment', id })
  if (!seen) throw noRecord()
  return toAppointment(seen)
}
