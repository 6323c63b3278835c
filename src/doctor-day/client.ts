import type { Ctx } from '../context'
import { withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import type { Answer, Command, MoveWanted, Operation, Refusal, Refused, ReplyTo } from './commands'
import { FOLLOW_HEADER, type FollowRequest } from './readers/followers'
import type { Appointment } from './state/day'
import type { HasMoved, Query, Seen } from './state/views'
import { type DayKey, dayKey } from './storage/address'

/** How all code outside a doctor’s day calls it. */

const TRIES_MAX = 3
const PAUSE_MS = 50

/** Abandoning a move takes two calls of this length, within the time limit of the caller’s request. */
const OTHER_DAY_MS_MAX = 3 * SECOND_MS

/** The object as its callers see it: each method returns a promise of a structured clone. */
export type RemoteDay = ReturnType<Env['DOCTOR_DAY']['get']>

/**
 * Calls the object that owns a day. A reset breaks the stub, so each try uses a new one. A retry is safe
 * because an operation carries its id. An overloaded object gets no retry.
 */
export async function onDay<Reply>(
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  call: (day: RemoteDay) => Reply,
): Promise<Awaited<Reply>> {
  const namespace = env.DOCTOR_DAY
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(key)))
    } catch (error) {
      if (isOfOtherVersion(error)) throw problemOf({ ok: false, refused: 'newer_version' })
      if (attempt === TRIES_MAX || !isRetryable(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

/**
 * How one day calls another. An appointment is in the middle of a move during the call, so each call has a
 * time limit. An abandoned call may still arrive, even after later ones.
 */
export const otherDays = (env: Pick<Env, 'DOCTOR_DAY'>) => ({
  perform: <C extends Command>(key: DayKey, operation: Operation, command: C) =>
    withTimeout(
      onDay(env, key, (day) => day.perform(operation, command)),
      OTHER_DAY_MS_MAX,
    ) as Promise<Answer<ReplyTo<C>>>,
  see: <Q extends Query>(key: DayKey, clinicId: string, query: Q) =>
    withTimeout(
      onDay(env, key, (day) => day.see(clinicId, query)),
      OTHER_DAY_MS_MAX,
    ) as Promise<Seen<Q>>,
})
export type OtherDays = ReturnType<typeof otherDays>

function isRetryable(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}

/** While a deployment replaces another, an older object can be asked for a method or a view that it lacks. */
const isOfOtherVersion = (error: unknown): boolean =>
  error instanceof Error && /does not implement the method|^newer_version$/.test(error.message)

/** `via` makes one operation id per day that a request is led to; a retry takes the same path. */
export const operation = (ctx: Ctx, id: string, via: string | null = null): Operation => ({
  id: via ? `${id}:${via}` : id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
})

/** Lets the day decide. Where the appointment has moved, the day that it moved to decides. */
export const performOn = <C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
): Promise<Answer<ReplyTo<C>>> =>
  reach(ctx, key, (day, via) => day.perform(operation(ctx, opId, via), command, via)) as Promise<
    Answer<ReplyTo<C>>
  >

export const moveOn = (
  ctx: Ctx,
  key: DayKey,
  opId: string,
  wanted: MoveWanted,
): Promise<Answer<Appointment>> =>
  reach(ctx, key, (day, via) => day.move(operation(ctx, opId, via), wanted, via))

/** Lets the day decide, and throws its refusal as a Problem. */
export async function decideOn<C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
): Promise<ReplyTo<C>> {
  return replyOrThrow(await performOn(ctx, key, opId, command))
}

export function replyOrThrow<Reply>(answer: Answer<Reply>): Reply {
  if (!answer.ok) throw problemOf(answer)
  return answer.reply
}

/** What a view shows of a day of the caller’s own clinic. */
export const see = <Q extends Query>(
  ctx: Ctx,
  key: DayKey,
  query: Q,
  at: number | null = null,
): Promise<Exclude<Seen<Q>, HasMoved>> =>
  reach(ctx, key, (day, via) => day.see(ctx.clinic.id, query, at, via)) as Promise<Exclude<Seen<Q>, HasMoved>>

/** The first day of an appointment knows its current or an earlier day; each day it left knows the next. */
const DAYS_REACHED_MAX = 20

/** Asks the day of this key and, where the appointment has moved, the day that it moved to. */
async function reach<Reply>(
  ctx: Ctx,
  key: DayKey,
  ask: (day: RemoteDay, via: string | null) => Reply,
): Promise<Awaited<Reply>> {
  let [at, via]: [DayKey, string | null] = [key, null]
  for (let reached = 0; ; reached += 1) {
    const reply = await onDay(ctx.env, at, (day) => ask(day, via))
    const next = (reply as Partial<HasMoved> | null)?.movedTo
    if (!next || reached === DAYS_REACHED_MAX) return reply
    at = dayKey(ctx.clinic.id, next.doctorId, next.date)
    via = next.moveId
  }
}

/**
 * Opens a socket, not yet accepted, on which the day sends its events to an admitted follower. A remote call
 * cannot carry a socket; a request can.
 */
export async function openStream(
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  wanted: FollowRequest,
): Promise<WebSocket> {
  const headers = { Upgrade: 'websocket', [FOLLOW_HEADER]: encodeURIComponent(JSON.stringify(wanted)) }
  const answer = await onDay(env, key, (day) => day.fetch('https://day/live', { headers }))
  if (answer.webSocket) return answer.webSocket
  const code = (await answer.text()) as keyof typeof STREAM_REFUSALS
  throw new Problem(code, STREAM_REFUSALS[code], {
    retryAfterSeconds: Number(answer.headers.get('Retry-After')) || undefined,
  })
}

const STREAM_REFUSALS = {
  unauthenticated:
    'This ticket was not issued for this day and view, or its API key was revoked; get a new one',
  not_found: 'No record with this id was found on this day; check the id',
  live_full:
    'All places of this day, key or ticket are taken; Retry-After says when one is free at the latest',
}

/** The Problem that a caller gets for a day’s refusal. */
export function problemOf({ refused, transition }: Refused): Problem {
  // `reach` asks the day that an appointment moved to. Here it stopped after DAYS_REACHED_MAX days.
  const known = refused === 'moved' ? 'unavailable' : refused
  const code = Object.hasOwn(REFUSALS, known) ? known : 'newer_version'
  return new Problem(code, REFUSALS[code], transition && { transition })
}

const REFUSALS: Record<Exclude<Refusal, 'moved'>, string> = {
  not_found: 'No record with this id was found on this day; check the id',
  doctor_absent: 'The doctor is not available on that date',
  already_booked: 'The patient is already booked that day; to book another visit, send allow_another: true',
  already_cancelled: 'The appointment is no longer booked',
  day_full: 'The doctor has no available slots on that date',
  capacity_below_taken: 'Slots above this capacity are already taken; send a higher capacity',
  hours_in_use:
    'Slots are taken, and these working hours would change their times; change only the end of the hours',
  hold_over: 'The hold was used or released, or it has expired; hold a slot again',
  no_offer: 'No slot is offered yet; the patient keeps waiting',
  offer_over: 'The offer was accepted or declined, or it has expired; it cannot be used again',
  wrong_patient: 'This appointment does not belong to the patient',
  already_checked_in: 'The patient has already checked in',
  wrong_date: 'Check-in is only allowed on appointment date, and a no-show cannot be recorded before it',
  illegal_step: 'This step is not possible from the current status; `allowed` lists the possible statuses',
  moving: 'The appointment is being moved to another day; try again in a moment',
  newer_version:
    'This day was written by a newer version of the service, which has to change it; retry in some minutes',
  unavailable:
    'The other day cannot be reached, and nothing was moved; try again with the same Idempotency-Key',
}
