import type { Ctx } from '../context'
import type { DayKey } from './address'
import type { Command, ReplyTo } from './commands'
import type { Recorded } from './day'
import type { Answer, Operation } from './doctor-day'
import type { Verdict } from './log'
import { problemOf } from './refusals'
import type { Issued, NewTicket } from './tickets'
import type { Query, Seen } from './views'

const TRIES_MAX = 3
const PAUSE_MS = 50

/** The object as seen from outside: what it returns is a structured clone, and a promise of it. */
export interface RemoteDay {
  perform<C extends Command>(operation: Operation, command: C): Promise<Answer<ReplyTo<C>>>
  see<Q extends Query>(clinicId: string, query: Q, at?: number | null): Promise<Seen<Q>>
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
  ctx: Pick<Ctx, 'env'>,
  key: DayKey,
  call: (day: RemoteDay) => Promise<Reply>,
): Promise<Reply> {
  const namespace = ctx.env.DOCTOR_DAY
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(key)) as unknown as RemoteDay)
    } catch (error) {
      if (attempt === TRIES_MAX || !isWorthAnother(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

function isWorthAnother(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}

export const operation = (ctx: Ctx, id: string): Operation => ({
  id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
})

/** Has the day decide, and throws what it refuses. */
export async function decideOn<C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
): Promise<ReplyTo<C>> {
  const answer = await onDay(ctx, key, (day) => day.perform(operation(ctx, opId), command))
  if (!answer.ok) throw problemOf(answer)
  return answer.reply
}

/** What a view shows of the caller’s own clinic. */
export const see = <Q extends Query>(
  ctx: Ctx,
  key: DayKey,
  query: Q,
  at: number | null = null,
): Promise<Seen<Q>> => onDay(ctx, key, (day) => day.see(ctx.clinic.id, query, at))
