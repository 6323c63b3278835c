import { log } from '../lib/log'
import { SECOND_MS } from '../lib/time'
import type { Answer, Command, Decision, Operation, ReplyTo } from './commands'
import type { Guard } from './guard'
import type { Refused } from './refused'
import { isTransient, refuse } from './rules/facts'
import { decide, nextDeadline } from './rules/rules'
import type { Day } from './state/day'
import type { Event, Recorded } from './state/event'
import { evolve } from './state/fold'
import { hasMade } from './state/records'
import type { Texts } from './state/texts'
import { newIdOn, withNewId } from './storage/address'
import * as replies from './storage/replies'
import { createTables } from './storage/tables'
import { type SealedText, seal, storeTexts } from './storage/texts'
import type { Stored } from './storage/verdict'

/** The actor of events that the day appends because time has passed. */
const CLOCK = 'clock'

const OFFER_SECONDS_DEFAULT = 15 * 60

export const offerMsOf = ({ WAITLIST_OFFER_SECONDS }: Pick<Env, 'WAITLIST_OFFER_SECONDS'>): number =>
  (Number(WAITLIST_OFFER_SECONDS) || OFFER_SECONDS_DEFAULT) * SECOND_MS

/**
 * Patients of whom D1 says that they have been erased, when the day copies their appointments to it: the
 * erasure did not find this day. Throws where one of them cannot be erased now.
 */
export function eraseCopied({ perform }: Pick<Operations, 'perform'>, day: Day, patientIds: string[]): void {
  if (!day.identity) return
  const { timeZone, capacity } = day
  const opening = { ...day.identity, timeZone, capacity }
  for (const patientId of patientIds) {
    if (day.erased.has(patientId)) continue
    const operation = { id: `erase:copied:${patientId}`, actor: CLOCK, isKeyed: false }
    const answer = perform(operation, { type: 'erase_patient', opening, patientId })
    if (!answer.ok) throw new Error(`An erased patient has to wait: ${answer.refused}`)
  }
}

/** What the operations of a day need of its object. */
interface OperationsHost {
  storage: DurableObjectStorage
  stored: Stored
  guard: Guard
  /** How long an offer lasts that is made now. */
  offerMs: number
  /** Called within the transaction that appends events. */
  beforeCommit(at: number): void
  afterRollback(): void
  /** `head`: of the log with these events. `isCopied`: whether its readers have something to do now. */
  afterCommit(events: Recorded[], head: string, isCopied: boolean): void
}

export interface Operations {
  perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>>
  /** The first reply to this operation; null where it is new. */
  recall<Reply>(operation: Operation): Reply | Refused | null
  /** Ends what is beyond its deadline. */
  lapse(now: number): void
  /** Begins the log with these events, which are copied later. Its reply is how many there are. */
  begin(operation: Operation, events: Event[]): void
  /** Removes the replies that no retry asks for any more. Returns when the next ones may go. */
  sweep(now: number): number
}

/**
 * Each operation takes effect once. There is no `await` between reading the state and appending to the log.
 */
export function operations(host: OperationsHost): Operations {
  const { storage, stored, guard, offerMs } = host

  /** A known operation gets its first reply. Otherwise what is due ends first, then the rules decide. */
  function perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>> {
    const known = recall<Answer<ReplyTo<C>>>(operation)
    if (known !== null) return withVersion(known)
    const now = Date.now()
    lapse(now)
    const sealed = seal(textsOf(operation, command), guard.day().lastText)
    const texts = sealed.map(({ textId, kind, mac }) => ({ textId, kind, mac }))
    const moment = { at: now, actor: operation.actor, offerMs, texts }
    const decision = decide(guard.day(), withId(command), moment)
    const answer: Answer<ReplyTo<C>> = decision.ok ? { ok: true, reply: decision.reply } : decision
    const events = toRecorded(decision.ok ? decision.events : [], operation.actor, now)
    const isFinal = !(decision.ok && decision.isUnderWay)
    const isRemembered =
      isFinal && (events.length > 0 || (operation.isKeyed && mayRemember(command, decision)))
    if (isRemembered && events.length === 0 && replies.isFull(stored.sql)) return refuse('day_log_full')
    commit(events, isRemembered ? [operation.id, JSON.stringify(answer)] : null, now, sealed)
    return withVersion(answer)
  }

  function withVersion<Reply>(answer: Answer<Reply>): Answer<Reply> {
    const { identity, version } = guard.day()
    if (!answer.ok || !identity) return answer
    return { ...answer, day: { doctorId: identity.doctorId, date: identity.date, version } }
  }

  /** Of the ids that a day has made none is made again. */
  function withId<C extends Command>(command: C): C {
    const { name = '', keys } = stored
    const made = new Set<string>()
    return withNewId(command, () => {
      const id = newIdOn(name, keys, (one) => made.has(one) || hasMade(guard.day(), one))
      made.add(id)
      return id
    })
  }

  function recall<Reply>(operation: Operation): Reply | Refused | null {
    const known = guard.isOpen() ? replies.recall(stored, operation.id) : null
    if (known !== 'changed') return known && (JSON.parse(known.reply) as Reply)
    log('day_damaged', { day: stored.name, reason: 'reply_changed' })
    return refuse('day_damaged')
  }

  function lapse(now: number): void {
    if (nextDeadline(guard.day()) > now) return
    const decision = decide(guard.day(), { type: 'lapse' }, { at: now, actor: CLOCK, offerMs })
    commit(toRecorded(decision.ok ? decision.events : [], CLOCK, now), null, now)
  }

  /** Appends, remembers the reply and sets the alarm in one transaction; then updates memory and copy. */
  function commit(
    events: Recorded[],
    remembered: replies.Remembered | null,
    at: number,
    sealed: SealedText[] = [],
    isCopied = events.length > 0,
  ): void {
    if (events.length === 0 && !remembered) return
    let head = ''
    try {
      storage.transactionSync(() => {
        if (!guard.isOpen()) createTables(stored.sql)
        head = replies.record(stored, events, remembered, at)
        storeTexts(stored.sql, events, sealed)
        if (events.length > 0) host.beforeCommit(at)
      })
    } catch (error) {
      host.afterRollback()
      throw error
    }
    guard.opened()
    for (const event of events) evolve(guard.day(), event)
    host.afterCommit(events, head, isCopied)
  }

  /** Whether the day may store an answer that changed nothing: guessing ids must not create storage. */
  function mayRemember(command: Command, decision: Decision<unknown>): boolean {
    if (!decision.ok && isTransient(decision.refused)) return false
    return guard.isOpen() || 'opening' in command
  }

  function toRecorded(events: Event[], actor: string, at: number): Recorded[] {
    const first = guard.day().version + 1
    return events.map((event, index) => ({ ...event, at, actor, seq: first + index }))
  }

  function begin(operation: Operation, events: Event[]): void {
    const now = Date.now()
    const remembered: replies.Remembered = [operation.id, JSON.stringify(events.length)]
    commit(toRecorded(events, operation.actor, now), remembered, now, [], false)
  }

  function sweep(now: number): number {
    if (!guard.isOpen() || guard.day().isNewer) return Number.POSITIVE_INFINITY
    const dueAt = replies.sweepAt(stored.sql, guard.day(), now)
    if (dueAt > now) return dueAt
    storage.transactionSync(() => replies.sweep(stored, now))
    return replies.sweepAt(stored.sql, guard.day(), now)
  }

  return { perform, recall, lapse, begin, sweep }
}

/** The reason of a cancellation is a text, and stands in no event. */
function textsOf({ texts }: Operation, command: Command): Texts {
  const isCancelled = command.type === 'cancel' && command.reason !== null
  return { ...texts, ...(isCancelled && { cancel_reason: command.reason ?? '' }) }
}
