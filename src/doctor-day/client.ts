import type { Ctx } from '../context'
import { logFailure } from '../lib/log'
import { isCorrupt, onObject, withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import type { AskedDay } from '../recorder/asked-days'
import type { Answer, Command, Known, MoveWanted, Operation, ReplyTo } from './commands'
import type { AbsenceWanted, Relief, Step } from './moving/requests'
import { FOLLOW_HEADER, type FollowRequest } from './readers/followers'
import { problemOf, STREAM_REFUSALS } from './refusals'
import type { Refused } from './refused'
import type { Appointment, MovedTo } from './state/day'
import type { Texts } from './state/texts'
import type { HasMoved, Query, Seen, Sight } from './state/views'
import { type DayKey, dayKey } from './storage/address'

/** How all code outside a doctor’s day calls it. */

/** A move waits for two calls of this length at most, within the time limit of the caller’s request. */
const OTHER_DAY_MS_MAX = 3 * SECOND_MS

/** The object as its callers see it: each method returns a promise of a structured clone. */
export type RemoteDay = ReturnType<Env['DOCTOR_DAY']['get']>

/** Calls the object that owns a day. A retry is safe because an operation carries its id. */
export async function onDay<Reply>(
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  call: (day: RemoteDay) => Reply,
): Promise<Awaited<Reply>> {
  try {
    return await onObject(env.DOCTOR_DAY, key, call)
  } catch (error) {
    if (isOfOtherVersion(error)) throw problemOf({ ok: false, refused: 'newer_version' })
    if (isCorrupt(error)) throw damaged(error, key)
    throw error
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
  /**
   * All that one day asks of another at once, as one call. A lone step is called by itself: an object of an
   * earlier version knows no other call.
   */
  async performEach(key: DayKey, steps: Step[]): Promise<Answer<ReplyTo<Command>>[]> {
    const [first, ...more] = steps
    if (!first) return []
    if (more.length === 0) return [await this.perform(key, first.operation, first.command)]
    const answers = onDay(env, key, (day) => day.performEach(steps))
    return notRefused((await withTimeout(answers, OTHER_DAY_MS_MAX)) as Answer<ReplyTo<Command>>[] | Refused)
  },
  see: <Q extends Query>(key: DayKey, clinicId: string, query: Q) =>
    withTimeout(
      onDay(env, key, (day) => day.see(clinicId, query)) as Promise<Sight<Q> | Refused>,
      OTHER_DAY_MS_MAX,
    ).then((sight) => seenOrThrow(sight).seen),
})
export type OtherDays = ReturnType<typeof otherDays>

/** While a deployment replaces another, an older object can be asked for a method or a view that it lacks. */
const isOfOtherVersion = (error: unknown): boolean =>
  error instanceof Error && /does not implement the method|^newer_version$/.test(error.message)

/** The file of the day cannot be read at all, so that even its object cannot say so. */
function damaged(error: unknown, day: DayKey): Problem {
  logFailure('day_damaged', error, { day })
  return problemOf({ ok: false, refused: 'day_damaged' })
}

/**
 * `via` makes one operation id per day that a request is led to; a retry takes the same path. `known` is
 * about the first day only.
 */
export const operation = (
  ctx: Ctx,
  id: string,
  via: string | null = null,
  known?: Known | null,
  texts?: Texts,
): Operation => ({
  id: via ? `${id}:${via}` : id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
  ...(known !== undefined && !via && { known }),
  ...(texts && { texts }),
})

/** Lets the day decide, or the day that the appointment has moved to. `known`: what D1 knows of the day. */
export const performOn = <C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
  known?: Known | null,
  texts?: Texts,
): Promise<Answer<ReplyTo<C>>> =>
  reach(
    ctx,
    key,
    (day, via) =>
      day.perform(operation(ctx, opId, via, known, texts), command, via) as Promise<Answer<ReplyTo<C>>>,
    (answer) => (answer.ok ? undefined : answer.movedTo),
  ).then((answer) => withDay(ctx, answer))

export const moveOn = (
  ctx: Ctx,
  key: DayKey,
  opId: string,
  wanted: MoveWanted,
): Promise<Answer<Appointment>> =>
  reach(
    ctx,
    key,
    (day, via) => day.move(operation(ctx, opId, via), wanted, via) as Promise<Answer<Appointment>>,
    (answer) => (answer.ok ? undefined : answer.movedTo),
  ).then((answer) => withDay(ctx, answer))

/** So that the answer to the caller names the day and its version. */
function withDay<Reply>(ctx: Ctx, answer: Answer<Reply>): Answer<Reply> {
  if (answer.ok && answer.day) ctx.recordDay(answer.day)
  return answer
}

/** A list waits this long for D1’s copy of a day. */
const CAUGHT_UP_MS_MAX = 2 * SECOND_MS

/** Waits until D1 has what a day has decided. Answers how many events there are, and how many D1 has. */
export const caughtUp = (ctx: Ctx, key: DayKey): Promise<{ version: number; copied: number }> =>
  withTimeout(
    onDay(ctx.env, key, (day) => day.caughtUp(ctx.clinic.id)),
    CAUGHT_UP_MS_MAX,
  )

/** As `caughtUp`, for who goes on with what D1 has where the day cannot be reached. */
export const waitIfPossible = (ctx: Ctx, key: DayKey): Promise<unknown> =>
  caughtUp(ctx, key).catch((error: unknown) => logFailure('copy_not_awaited', error))

export const askedDayKey = (clinicId: string, day: AskedDay): DayKey =>
  'key' in day ? day.key : dayKey(clinicId, day.doctorId, day.date)

/** The day moves its patients itself: one call, however many they are. */
export async function declareOn(
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  absence: Operation,
  wanted: AbsenceWanted,
): Promise<Relief> {
  const answer = await onDay(env, key, (day) => day.declareAbsence(absence, wanted))
  return replyOrThrow(answer as Answer<Relief>)
}

/** Lets the day decide, and throws its refusal as a Problem. */
export async function decideOn<C extends Command>(
  ctx: Ctx,
  key: DayKey,
  opId: string,
  command: C,
  known?: Known | null,
  texts?: Texts,
): Promise<ReplyTo<C>> {
  return replyOrThrow(await performOn(ctx, key, opId, command, known, texts))
}

export function replyOrThrow<Reply>(answer: Answer<Reply>): Reply {
  if (!answer.ok) throw problemOf(answer)
  return answer.reply
}

/** What a view shows of a day of the caller’s own clinic. */
export async function see<Q extends Query>(
  ctx: Ctx,
  key: DayKey,
  query: Q,
  at: number | null = null,
): Promise<Sight<Q, Exclude<Seen<Q>, HasMoved>>> {
  const sight = await reach(
    ctx,
    key,
    (day, via) => day.see(ctx.clinic.id, query, at, via) as Promise<Sight<Q> | Refused>,
    (one) => ('refused' in one ? undefined : (one.seen as Partial<HasMoved> | null)?.movedTo),
  )
  return seenOrThrow(sight) as Sight<Q, Exclude<Seen<Q>, HasMoved>>
}

/** What an object answered, unless it refused. */
export function notRefused<Reply>(reply: Reply | Refused): Exclude<Reply, Refused> {
  if (typeof reply === 'object' && reply !== null && 'refused' in reply) throw problemOf(reply)
  return reply as Exclude<Reply, Refused>
}

function seenOrThrow<Q extends Query>(sight: Sight<Q> | Refused): Sight<Q> {
  if ('refused' in sight) throw problemOf(sight)
  return sight
}

/** The first day of an appointment knows its current or an earlier day; each day it left knows the next. */
const DAYS_REACHED_MAX = 20

/** Asks the day of this key and, where the appointment has moved, the day that it moved to. */
async function reach<Reply>(
  ctx: Ctx,
  key: DayKey,
  ask: (day: RemoteDay, via: string | null) => Promise<Reply>,
  movedTo: (reply: Reply) => MovedTo | undefined,
): Promise<Reply> {
  let [at, via]: [DayKey, string | null] = [key, null]
  for (let reached = 0; ; reached += 1) {
    const reply = await onDay(ctx.env, at, (day) => ask(day, via))
    const next = movedTo(reply)
    if (!next || reached === DAYS_REACHED_MAX) return reply
    at = dayKey(ctx.clinic.id, next.doctorId, next.date)
    via = next.moveId
  }
}

/** Opens a socket, not yet accepted, on which the day sends its events to an admitted follower. */
export const openStream = (
  env: Pick<Env, 'DOCTOR_DAY'>,
  key: DayKey,
  wanted: FollowRequest,
): Promise<WebSocket> =>
  socketOf((headers) => onDay(env, key, (day) => day.fetch(FOLLOW_URL, { headers })), wanted)

export const FOLLOW_URL = 'https://day/live'

/** The socket that an object opens. A remote call cannot carry a socket; a request can. */
export async function socketOf(
  open: (headers: Record<string, string>) => Promise<Response>,
  wanted: object,
): Promise<WebSocket> {
  const facts = encodeURIComponent(JSON.stringify(wanted))
  const answer = await open({ Upgrade: 'websocket', [FOLLOW_HEADER]: facts })
  if (answer.webSocket) return answer.webSocket
  const code = (await answer.text()) as keyof typeof STREAM_REFUSALS
  throw new Problem(code, STREAM_REFUSALS[code], {
    retryAfterSeconds: Number(answer.headers.get('Retry-After')) || undefined,
  })
}
