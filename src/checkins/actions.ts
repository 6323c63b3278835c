import { today } from '../access/actions'
import { addressOf, introduce } from '../appointments/actions'
import type { Ctx } from '../context'
import { decideOn, see } from '../doctor-day/client'
import { toQueueEntry } from '../doctor-day/readers/live'
import { dayKey, newIdOn } from '../doctor-day/storage/address'
import { findDoctor, knownDoctor, opening } from '../doctors/actions'
import { newId } from '../lib/crypto'
import { patientNames } from '../patients/actions'
import { notFound } from '../problem'
import { estimateFor } from './estimate'
import {
  type CallNext,
  type CheckedIn,
  type CheckIn,
  type Queued,
  type Standing,
  stepOf,
  toCheckedIn,
  toWait,
  type Wait,
  type WalkIn,
} from './model'

/** The day knows its appointments, its date and its time zone: without a key this asks nobody else. */
export async function checkIn(ctx: Ctx, wanted: CheckIn): Promise<CheckedIn> {
  const day = addressOf(wanted.appointment_id, 'Appointment')
  const { opId } = await ctx.once.transact(() => [])
  const arrived = await decideOn(ctx, day, opId, {
    type: 'check_in',
    clinicId: ctx.clinic.id,
    checkInId: newId(),
    appointmentId: wanted.appointment_id,
    patientId: wanted.patient_id,
    priority: wanted.priority,
  })
  return toCheckedIn(arrived)
}

/** Books for today and checks in, if there is room. */
export async function walkIn(ctx: Ctx, wanted: WalkIn): Promise<CheckedIn> {
  const { patientId, doctor, opId } = await introduce(ctx, wanted)
  const date = today(ctx)
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const arrived = await decideOn(ctx, day, opId, {
    type: 'walk_in',
    opening: opening(ctx, doctor, date),
    appointmentId: newIdOn(day),
    checkInId: newId(),
    patientId,
    priority: wanted.priority,
  })
  return toCheckedIn(arrived)
}

/** Null where nobody waits. */
export async function callNext(ctx: Ctx, doctorId: string, wanted: CallNext): Promise<Queued | null> {
  const { date = today(ctx), room } = wanted
  const { opId, doctor } = await findDoctor(ctx, doctorId)
  const day = dayKey(ctx.clinic.id, doctor.id, date)
  const called = await decideOn(ctx, day, opId, {
    type: 'call_next',
    opening: opening(ctx, doctor, date),
    room,
  })
  if (!called) return null
  const names = await patientNames(ctx, [called.patientId])
  return toQueueEntry({ doctorId, date }, called, names.get(called.patientId) ?? '')
}

export async function takeStep(ctx: Ctx, appointmentId: string, path: string): Promise<Standing> {
  const day = addressOf(appointmentId, 'Appointment')
  const { opId } = await ctx.once.transact(() => [])
  const stands = await decideOn(ctx, day, opId, {
    type: 'step',
    clinicId: ctx.clinic.id,
    appointmentId,
    step: stepOf(path),
  })
  return 'position' in stands
    ? { appointment_id: appointmentId, status: stands.status, position: stands.position, room: stands.room }
    : { appointment_id: appointmentId, status: 'no_show', position: null, room: null }
}

/** How many are ahead, and how long that may take at the pace of this very day. */
export async function getWait(ctx: Ctx, appointmentId: string): Promise<Wait> {
  const day = addressOf(appointmentId, 'Check-in')
  const arrivals = await see(ctx, day, { view: 'line', id: appointmentId })
  const own = arrivals?.find((arrival) => arrival.appointmentId === appointmentId)
  if (!arrivals || !own) throw notFound('Check-in')
  return toWait(own, estimateFor(own, arrivals))
}

/** Without a date: today, at the clinic. The day keeps no names; they are looked up for those who wait. */
export async function listQueue(ctx: Ctx, doctorId: string, date = today(ctx)): Promise<Queued[]> {
  const [queue] = await Promise.all([
    see(ctx, dayKey(ctx.clinic.id, doctorId, date), { view: 'arrivals' }),
    knownDoctor(ctx, doctorId),
  ])
  const names = await patientNames(
    ctx,
    queue.map((arrival) => arrival.patientId),
  )
  return queue.map((arrival) => toQueueEntry({ doctorId, date }, arrival, names.get(arrival.patientId) ?? ''))
}
