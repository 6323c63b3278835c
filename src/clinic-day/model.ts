import * as v from 'valibot'
import { Appointment, Hold, slotTimes } from '../appointments/model'
import { Queued } from '../checkins/model'
import { component } from '../lib/schema'
import { BoardEntry } from '../live/model'

/** A doctor of the clinic, as a follower needs to know. */
export const FollowedDoctor = component('FollowedDoctor', {
  id: v.string(),
  name: v.string(),
  code: v.string(),
  specialty: v.nullable(v.string()),
})
export type FollowedDoctor = v.InferOutput<typeof FollowedDoctor>

/** Free slots: capacity less what is booked, held and offered. `waiting`: patients without an offer. */
const figures = {
  is_present: v.boolean(),
  capacity: v.number(),
  booked: v.number(),
  held: v.number(),
  offered: v.number(),
  waiting: v.number(),
}

const named = { patient_id: v.string(), patient_name: v.string() }

const records = {
  appointments: v.array(v.object({ ...Appointment.entries, ...named })),
  holds: v.array(v.object(Hold.entries)),
  waitlist: v.array(
    v.object({
      id: v.string(),
      ...named,
      /** The only slot that the patient waits for. */
      slot: v.optional(v.number()),
      offer: v.nullable(v.object({ slot: v.number(), ...slotTimes, expires_at: v.string() })),
    }),
  ),
  queue: v.array(Queued),
}

const DeskDoctor = v.object({ doctor: FollowedDoctor, version: v.number(), ...figures, ...records })
export type DeskDoctor = v.InferOutput<typeof DeskDoctor>

/** For the staff: everything of every doctor, with names. */
const ClinicDesk = v.variant('type', [
  /** By the name of the doctor; only those whose day was used. */
  v.object({
    type: v.literal('snapshot'),
    seq: v.number(),
    date: v.string(),
    doctors: v.array(DeskDoctor),
  }),
  /**
   * Each record replaces the one with its id (in the queue: its position); those of `gone` have left the day.
   */
  v.object({
    type: v.literal('event'),
    seq: v.number(),
    at: v.string(),
    event: v.string(),
    doctor: FollowedDoctor,
    /** The number of the event within the doctor’s day. */
    day_seq: v.number(),
    ...figures,
    ...records,
    gone: v.array(v.string()),
    /** The position of a check-in that was undone and is in the doctor’s queue no more. */
    removed: v.optional(v.number()),
  }),
])
export type ClinicDesk = v.InferOutput<typeof ClinicDesk>

/** For a screen in a waiting room: `doctor` is the doctor’s code. No ids, no times, no names. */
const ClinicBoard = v.variant('type', [
  v.object({
    type: v.literal('snapshot'),
    seq: v.number(),
    doctors: v.array(v.object({ doctor: v.string(), entries: v.array(BoardEntry) })),
  }),
  v.object({
    type: v.literal('event'),
    seq: v.number(),
    event: v.string(),
    /** Null where the event is not about a queue. */
    doctor: v.nullable(v.string()),
    entries: v.array(BoardEntry),
    removed: v.optional(v.number()),
  }),
])
export type ClinicBoard = v.InferOutput<typeof ClinicBoard>

export const ClinicMessage = v.pipe(v.union([ClinicDesk, ClinicBoard]), v.metadata({ ref: 'ClinicMessage' }))
