import { allowsAnother, today } from '../access/actions'
import { mayUse } from '../access/permissions'
import { dayOfAppointment, noRecord } from '../appointments/ids'
import { textsOf } from '../appointments/texts'
import type { Ctx } from '../context'
import { decideOn, performOn, replyOrThrow, see } from '../doctor-day/client'
import type { UndoName } from '../doctor-day/commands'
import { toQueueEntry } from '../doctor-day/readers/live'
import { dayKey, NEW_ID } from '../doctor-day/storage/address'
import { seeDay } from '../doctors/actions'
import { findPatientAndDay, findQueue } from '../doctors/finding'
import { opening } from '../doctors/terms'
import { newId } from '../lib/crypto'
import { askedInstant } from '../lib/time'
import { findAliases } from '../merges/finding'
import { patientNames } from '../patients/actions'
import { estimateFor } from './estimate'
import {
  type AskQueue,
  type AskWait,
  type CallNext,
  type CheckedIn,
  type CheckIn,
  type Queued,
  type Standing,
  stepOf,
  toCheckedIn,
  toWait,
  type Undone,
  type Wait,
  type WalkIn,
} from './model'

/**
 * The day knows its appointments, date and time zone: without an Idempotency-Key no other store is read,
 * unless the appointment names another id than the caller, which may be one of the same patient.
 */
export async function checkIn(ctx: Ctx, wanted: CheckIn): Promise<CheckedIn> {
  const { appointment_id: appointmentId, patient_id: patientId, priority } = wanted
  const day = await dayOfAppointment(ctx, appointmentId)
  const command = {
    type: 'check_in',
    clinicId: ctx.clinic.id,
    checkInId: newId(),
    appointmentId,
    patientId,
    priority,
  } as const
  if (ctx.once.key === null) {
    const answer = await performOn(ctx, day, ctx.once.opId, command)
    if (answer.ok || answer.refused !== 'wrong_patient') return toCheckedIn(replyOrThrow(answer))
  }
  const { opId, aliases } = await findAliases(ctx, patientId)
  return toCheckedIn(await decideOn(ctx, day, opId, { ...command, ...aliases }))
}

/** Books for today and checks in, if a slot is free. */
export async function walkIn(ctx: Ctx, wanted: WalkIn): Promise<CheckedIn> {
  const asked = { ...wanted, date: today(ctx) }
  const { patient, doctor, opId, claimedAt, known, visit } = await findPatientAndDay(ctx, asked)
  const date = today(ctx, claimedAt)
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const command = {
    type: 'walk_in',
    opening: opening(ctx, doctor, date),
    appointmentId: NEW_ID,
    checkInId: newId(),
    ...patient,
    ...visit,
    priority: wanted.priority,
    allowAnother: allowsAnother(ctx, wanted),
  } as const
  const knownThen = date === asked.date ? known : undefined
  return toCheckedIn(await decideOn(ctx, day, opId, command, knownThen, textsOf(wanted)))
}

/**
 * Null where no patient waits. The name comes with the doctor, if D1 knew whose turn it was; the day decides
 * whose turn it is. A key that may not read the queue gets the patient without the name.
 */
export async function callNext(ctx: Ctx, doctorId: string, wanted: CallNext): Promise<Queued | null> {
  const asked = wanted.date ?? today(ctx)
  const { opId, claimedAt, doctor, known, next } = await findQueue(ctx, doctorId, asked)
  const { date = today(ctx, claimedAt), room } = wanted
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const command = { type: 'call_next', opening: opening(ctx, doctor, date), room } as const
  const called = await decideOn(ctx, day, opId, command, date === asked ? known : undefined)
  if (!called) return null
  if (!mayUse(ctx, 'checkins:read')) return toQueueEntry({ doctorId, date }, called, '')
  const { patientId } = called
  const isForeseen = next.patientId === patientId
  const name = isForeseen ? next.name : (await patientNames(ctx, [patientId])).get(patientId)
  return toQueueEntry({ doctorId, date }, called, name ?? '')
}

export async function takeStep(ctx: Ctx, appointmentId: string, path: string): Promise<Standing> {
  const day = await dayOfAppointment(ctx, appointmentId)
  const { opId } = await ctx.once.claim()
  const result = await decideOn(ctx, day, opId, {
    type: 'step',
    clinicId: ctx.clinic.id,
    appointmentId,
    step: stepOf(path),
  })
  return 'position' in result
    ? { appointment_id: appointmentId, status: result.status, position: result.position, room: result.room }
    : { appointment_id: appointmentId, status: 'no_show', position: null, room: null }
}

/** The day knows by its own clock whether this is still a mistake of the last minute. */
export async function takeBack(ctx: Ctx, appointmentId: string, undo: UndoName): Promise<Undone> {
  const day = await dayOfAppointment(ctx, appointmentId)
  const { opId } = await ctx.once.claim()
  const result = await decideOn(ctx, day, opId, {
    type: 'undo',
    clinicId: ctx.clinic.id,
    appointmentId,
    undo,
    mayAmend: mayUse(ctx, 'checkins:amend'),
  })
  return 'position' in result
    ? { appointment_id: appointmentId, status: 'called', position: result.position, room: result.room }
    : { appointment_id: appointmentId, status: 'booked', position: null, room: null }
}

/** How many patients are ahead, and the estimated wait at the pace of this day; now or at an instant. */
export async function getWait(ctx: Ctx, appointmentId: string, asked: AskWait): Promise<Wait> {
  const day = await dayOfAppointment(ctx, appointmentId)
  const query = { view: 'line', id: appointmentId } as const
  const { seen: arrivals } = await see(ctx, day, query, askedInstant(asked.at))
  const own = arrivals?.find((arrival) => arrival.appointmentId === appointmentId)
  if (!arrivals || !own) throw noRecord()
  return toWait(own, estimateFor(own, arrivals))
}

/** The queue now or at an instant. The day stores no names, so this looks them up in D1, as they are now. */
export async function listQueue(ctx: Ctx, doctorId: string, asked: AskQueue): Promise<Queued[]> {
  const instant = askedInstant(asked.at)
  const { date = today(ctx, instant ?? ctx.now) } = asked
  const { seen: queue } = await seeDay(ctx, doctorId, date, { view: 'arrivals' }, instant)
  const names = await patientNames(
    ctx,
    queue.map((arrival) => arrival.patientId),
  )
  return queue.map((arrival) => toQueueEntry({ doctorId, date }, arrival, names.get(arrival.patientId) ?? ''))
}
