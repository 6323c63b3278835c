import type { Ctx } from '../context'
import { inTime } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import type { Answer, Command, MoveWanted, Operation, Refusal, Refused, ReplyTo } from './commands'
import { ASK_HEADER, type Ask } from './readers/sockets'
import type { Appointment } from './state/day'
import type { Gone, Query, Seen } from './state/views'
import { type DayKey, dayKey } from './storage/address'

/** How everything outside a doctor’s day calls it. */

const TRIES_MAX = 3
const PAUSE_MS = 50

/**
 * To give a move up takes two calls of this length, and its caller must hear of it before the request’s own
 * limit.
 */
const OTHER_DAY_MS_MAX = 3 * SECOND_MS

/** The object as its callers see it: each method answers a promise of a structured clone. */
export type RemoteDay = ReturnType<Env['DOCTOR_DAY']['get']>

/**
 * Calls the object that owns a day. A reset breaks its stub, so each try takes a fresh one. Another try is
 * safe because an operation carries its id. An overloaded object gets no further try.
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
      if (attempt === TRIES_MAX || !isWorthAnother(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

/**
 * How one day calls another. The calling day holds an appointment between two days, so it cannot wait for
 * ever. A call that was given up may still arrive, even after later ones.
 */
export const otherDays = (env: Pick<Env, 'DOCTOR_DAY'>) => ({
  perform: <C extends Command>(key: DayKey, operation: Operation, command: C) =>
    inTime(
      onDay(env, key, (day) => day.perform(operation, command)),
      OTHER_DAY_MS_MAX,
    ) as Promise<Answer<ReplyTo<C>>>,
  see: <Q extends Query>(key: DayKey, clinicId: string, query: Q) =>
    inTime(
      onDay(env, key, (day) => day.see(clinicId, query)),
      OTHER_DAY_MS_MAX,
    ) as Promise<Seen<Q>>,
})
export type OtherDays = ReturnType<typeof otherDays>

function isWorthAnother(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}

/** `via` makes it another operation on each day that the request is led to: a retry takes the same path. */
export const operation = (ctx: Ctx, id: string, via: string | null = null): Operation => ({
  id: via ? `${id}:${via}` : id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
})

/** Has the day decide. Where the appointment has moved, the day that it moved to decides. */
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

/** Has the day decide, and throws what it refuses. */
export async function decideOn<C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
): Promise<ReplyTo<C>> {
  return granted(await performOn(ctx, key, opId, command))
}

export function granted<Reply>(answer: Answer<Reply>): Reply {
  if (!answer.ok) throw problemOf(answer)
  return answer.reply
}

/** What a view shows of the caller’s own clinic. */
export const see = <Q extends Query>(
  ctx: Ctx,
  key: DayKey,
  query: Q,
  at: number | null = null,
): Promise<Exclude<Seen<Q>, Gone>> =>
  reach(ctx, key, (day, via) => day.see(ctx.clinic.id, query, at, via)) as Promise<Exclude<Seen<Q>, Gone>>

/** An appointment’s first day knows where it is now, or nearly; each day that it has left knows the next. */
const DAYS_REACHED_MAX = 20

/** Asks the day of this key, and while an appointment has moved on, the day that it moved to. */
async function reach<Reply>(
  ctx: Ctx,
  key: DayKey,
  ask: (day: RemoteDay, via: string | null) => Reply,
): Promise<Awaited<Reply>> {
  let [at, via]: [DayKey, string | null] = [key, null]
  for (let reached = 0; ; reached += 1) {
    const reply = await onDay(ctx.env, at, (day) => ask(day, via))
    const next = (reply as Partial<Gone> | null)?.movedTo
    if (!next || reached === DAYS_REACHED_MAX) return reply
    at = dayKey(ctx.clinic.id, next.doctorId, next.date)
    via = next.moveId
  }
}

/**
 * A socket, not yet accepted, on which the day sends its events to a follower that it has admitted. A remote
 * call cannot carry a socket; a request can.
 */
export async function openStream(env: Pick<Env, 'DOCTOR_DAY'>, key: DayKey, ask: Ask): Promise<WebSocket> {
  const headers = { Upgrade: 'websocket', [ASK_HEADER]: encodeURIComponent(JSON.stringify(ask)) }
  const answer = await onDay(env, key, (day) => day.fetch('https://day/live', { headers }))
  if (answer.webSocket) return answer.webSocket
  const code = (await answer.text()) as keyof typeof STREAM_REFUSALS
  throw new Problem(code, STREAM_REFUSALS[code])
}

const STREAM_REFUSALS = {
  unauthenticated: 'This ticket is not valid for this day and view, or it has expired; ask for a new one',
  not_found: 'Nothing of that id was found on this day',
  live_full: 'This day has as many followers as it takes; try again later',
}

/** What a caller is told of a day’s refusal. */
export function problemOf({ refused, transition }: Refused): Problem {
  // `reach` follows an appointment that has moved. Here it gave up, because the moves did not end.
  const code = refused === 'moved' ? 'unavailable' : refused
  return new Problem(code, REFUSALS[code], transition && { transition })
}

const REFUSALS: Record<Exclude<Refusal, 'moved'>, string> = {
  not_found: 'Nothing of that id was found on this day',
  doctor_absent: 'The doctor is not available on that date',
  already_booked: 'The patient is booked that day already; for a second visit send allow_another: true',
  already_cancelled: 'The appointment is no longer booked',
  day_full: 'The doctor has no available slots on that date',
  capacity_below_taken: 'Slots beyond that capacity are taken already',
  hours_in_use:
    'Slots are taken, and other working hours would move their times; only the end of the hours may change',
  hold_over: 'The hold was used, released or has expired',
  no_offer: 'No slot is offered yet; the patient keeps waiting',
  offer_over: 'The offer was accepted, declined or has lapsed',
  wrong_patient: 'This appointment does not belong to the patient',
  already_checked_in: 'The patient has already checked in',
  wrong_date: 'Check-in is only allowed on appointment date, and a no-show cannot be recorded before it',
  illegal_step: 'This step is not possible from the current status; `allowed` lists the steps that are',
  moving: 'The appointment is being moved to another day; try again in a moment',
  unavailable:
    'The other day cannot be reached, and nothing was moved; try again with the same Idempotency-Key',
}
