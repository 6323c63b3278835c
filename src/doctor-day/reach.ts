import type { Ctx } from '../context'
import { inTime } from '../lib/in-time'
import { SECOND_MS } from '../lib/time'
import { type DayKey, dayKey } from './address'
import type { Command, ReplyTo } from './commands'
import type { Appointment, Recorded } from './day'
import type { Verdict } from './log'
import type { MoveWanted } from './move-commands'
import type { Answer, Operation } from './operation'
import { problemOf } from './refusals'
import type { Issued, NewTicket } from './tickets'
import type { Gone, Query, Seen } from './views'

const TRIES_MAX = 3
const PAUSE_MS = 50

/** Giving a move up takes two of these, and its caller is still told before the request’s own limit. */
const OTHER_DAY_MS_MAX = 3 * SECOND_MS

/** The object as seen from outside: what it returns is a structured clone, and a promise of it. */
export interface RemoteDay {
  perform<C extends Command>(
    operation: Operation,
    command: C,
    via?: string | null,
  ): Promise<Answer<ReplyTo<C>>>
  move(operation: Operation, wanted: MoveWanted, via?: string | null): Promise<Answer<Appointment>>
  see<Q extends Query>(clinicId: string, query: Q, at?: number | null, via?: string | null): Promise<Seen<Q>>
  history(since: number, max: number): Promise<Recorded[]>
  verify(): Promise<Verdict>
  resync(operation: Operation): Promise<number>
  issueTicket(operation: Operation, ticket: NewTicket): Promise<Issued>
  fetch(url: string, request: RequestInit): Promise<Response>
}

/**
 * Calls the object that owns a day. A reset breaks its stub, so each try takes a fresh one; trying again is
 * safe because an operation carries its id. An overloaded object is left alone.
 */
export async function onDay<Reply>(
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  call: (day: RemoteDay) => Promise<Reply>,
): Promise<Reply> {
  const namespace = env.DOCTOR_DAY
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(key)) as unknown as RemoteDay)
    } catch (error) {
      if (attempt === TRIES_MAX || !isWorthAnother(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

/**
 * How one day calls another: who asks keeps an appointment between two days, so it waits for no answer for
 * ever. A call that was given up may still come, even after later ones.
 */
export const onOtherDay: typeof onDay = (env, key, call) => inTime(onDay(env, key, call), OTHER_DAY_MS_MAX)

function isWorthAnother(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}

/** `via` makes it another operation on each day the request is led to: so a retry treads the same path. */
export const operation = (ctx: Ctx, id: string, via: string | null = null): Operation => ({
  id: via ? `${id}:${via}` : id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
})

/** Has the day decide. An appointment that has moved is followed. */
export const performOn = <C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
): Promise<Answer<ReplyTo<C>>> =>
  follow(ctx, key, (day, via) => day.perform(operation(ctx, opId, via), command, via))

export const moveOn = (
  ctx: Ctx,
  key: DayKey,
  opId: string,
  wanted: MoveWanted,
): Promise<Answer<Appointment>> =>
  follow(ctx, key, (day, via) => day.move(operation(ctx, opId, via), wanted, via))

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
  follow(ctx, key, (day, via) => day.see(ctx.clinic.id, query, at, via)) as Promise<Exclude<Seen<Q>, Gone>>

/** An appointment’s first day knows where it lives now, or nearly; each day it has left knows the next. */
const DAYS_FOLLOWED_MAX = 20

async function follow<Reply>(
  ctx: Ctx,
  key: DayKey,
  ask: (day: RemoteDay, via: string | null) => Promise<Reply>,
): Promise<Reply> {
  let [at, via]: [DayKey, string | null] = [key, null]
  for (let followed = 0; ; followed += 1) {
    const reply: Reply = await onDay(ctx.env, at, (day) => ask(day, via))
    const next = (reply as Partial<Gone> | null)?.movedTo
    if (!next || followed === DAYS_FOLLOWED_MAX) return reply
    at = dayKey(ctx.clinic.id, next.doctorId, next.date)
    via = next.moveId
  }
}
