import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { otherDays } from './client'
import type { Answer, Command, Known, MoveWanted, Operation, ReplyTo, Via } from './commands'
import { guard } from './guard'
import { mending } from './mending'
import type { AbsenceWanted, Relief, Step } from './moving/requests'
import { performEach } from './moving/steps'
import { eraseCopied, offerMsOf, operations } from './operations'
import { COPY_WAIT_MS, copyReader, SHOWN_AT_ONCE } from './readers/copy'
import { liveStream } from './readers/day-stream'
import { type Closed, closeBack, countMessage } from './readers/followers'
import type { Followed, Listener } from './readers/hints'
import { sightOf } from './readers/sight'
import type { Refused } from './refused'
import { refuse } from './rules/facts'
import { nextDeadline } from './rules/rules'
import type { Appointment, Day } from './state/day'
import type { Event, Recorded } from './state/event'
import { isList, type Query, type Sight } from './state/views'
import * as log from './storage/log'
import * as replies from './storage/replies'
import { textsToMove } from './storage/texts'
import * as tickets from './storage/tickets'
import type { Verdict } from './storage/verdict'
import { amongDays } from './wishing/among-days'

/** When the copy to D1 right after a write fails, or its isolate dies, the alarm runs this much later. */
const COPY_GRACE_MS = 5 * SECOND_MS

/** What is due on a day that is damaged, or that only a newer version can change, waits for an operator. */
const OPERATOR_MS = MINUTE_MS

/**
 * One doctor on one local date: the shell of storage, remote calls and the alarm. rules.ts decides what may
 * happen. It reads the state and appends to the log without an `await`, so no other request runs in between.
 */
export class DoctorDay extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #stored = { sql: this.#sql, keys: this.env.DOCTORDAY_SECRET, name: this.ctx.id.name }
  readonly #guard = guard(this.ctx.storage, this.#stored, this.env.DB)
  #alarmAt = Number.POSITIVE_INFINITY
  readonly #forgetAlarm = () => {
    this.#alarmAt = Number.POSITIVE_INFINITY
  }
  readonly #copied = () => withTimeout(this.#catchUp(), COPY_WAIT_MS).catch(() => undefined)
  readonly #host = { name: this.ctx.id.name, day: () => this.#day, wakeAt: (at: number) => this.#arm(at) }
  readonly #operations = operations({
    storage: this.ctx.storage,
    stored: this.#stored,
    guard: this.#guard,
    offerMs: offerMsOf(this.env),
    beforeCommit: (at) => this.#arm(at + COPY_GRACE_MS),
    // The rollback may have undone the alarm as well.
    afterRollback: this.#forgetAlarm,
    afterCommit: (...committed) => this.#afterCommit(...committed),
  })
  readonly #copy = copyReader({
    ...this.#host,
    sql: this.#sql,
    env: this.env,
    checkOnce: () => this.#guard.checkOnce(),
    erasePatients: (ids) => eraseCopied(this.#operations, this.#day, ids),
  })
  readonly #others = amongDays({
    ...this.#host,
    check: (...asked) => this.#guard.check(...asked),
    textsOf: (id) => textsToMove(this.#sql, this.#day, id),
    perform: (operation, command) => this.#operations.perform(operation, command),
    others: otherDays(this.env),
    later: (work) => this.ctx.waitUntil(work),
    copied: this.#copied,
  })
  readonly #liveStream = liveStream({
    ctx: this.ctx,
    env: this.env,
    day: () => this.#day,
    events: (after) => (this.#guard.isOpen() ? log.readEvents(this.#sql, after) : []),
    wakeAt: (instant) => this.#guard.isOpen() && this.#arm(instant),
    watchAt: (instant) => instant < Number.POSITIVE_INFINITY && this.#arm(instant),
  })
  readonly #mending = mending({
    storage: this.ctx.storage,
    stored: this.#stored,
    guard: this.#guard,
    operations: this.#operations,
    copy: this.#copy,
    copyAt: (at) => this.#arm(at + COPY_GRACE_MS),
    copyNow: () => this.ctx.waitUntil(this.#catchUp()),
    restart: () => this.#liveStream.restart(),
    forgetAlarm: this.#forgetAlarm,
  })

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    if (this.#guard.isOpen()) this.#guard.use(() => this.#wake())
  }

  /** Throws on a damaged day, which `#guard` keeps from being used. */
  get #day(): Day {
    return this.#guard.day()
  }

  #wake(): void {
    this.#arm(nextDeadline(this.#day))
    if (this.#others.wake()) this.#arm(Date.now())
    if (this.#copy.isBehind()) this.#arm(Date.now() + COPY_GRACE_MS)
    this.#arm(this.#liveStream.dueAt())
    this.#arm(replies.sweepAt(this.#sql, this.#day, Date.now()))
  }

  /** Every change of the day goes through this method. `via`: the move that led the caller to this day. */
  async perform<C extends Command>(
    operation: Operation,
    command: C,
    via: Via = null,
  ): Promise<Answer<ReplyTo<C>>> {
    if (await this.#guard.check(operation, command)) return refuse('day_damaged')
    const answer = await this.#led(via, () => this.#others.perform(operation, command))
    if (SHOWN_AT_ONCE.includes(command.type)) await this.#copied()
    return answer
  }

  /** Several operations in one call, in this order. */
  performEach(steps: Step[]): Promise<Answer<ReplyTo<Command>>[] | Refused> {
    return performEach(steps, this.#guard, this.#operations)
  }

  /** Moves an appointment of this day to another day, or slot. This day coordinates the move. */
  async move(operation: Operation, wanted: MoveWanted, via: Via = null): Promise<Answer<Appointment>> {
    return this.#led(via, () => this.#others.moves.move(operation, wanted))
  }

  /** Waits until D1 has all events. Answers how many there are, and how many of them D1 has. */
  async caughtUp(clinicId: string): Promise<{ version: number; copied: number }> {
    if (!this.#guard.isSound() || this.#day.identity?.clinicId !== clinicId) return { version: 0, copied: 0 }
    await this.#others.moves.confirmCommitted()
    return this.#copy.caughtUp()
  }

  /** Declares the doctor absent, and finds each patient another place where the caller wants that. */
  async declareAbsence(operation: Operation, wanted: AbsenceWanted): Promise<Answer<Relief>> {
    if (await this.#guard.check(operation, wanted)) return refuse('day_damaged')
    return this.#led(null, () => this.#others.moves.declareAbsence(operation, wanted))
  }

  /** A view of the day, now or at an instant (epoch ms). */
  async see<Q extends Query>(
    clinicId: string,
    query: Q,
    at: number | null = null,
    via: Via = null,
  ): Promise<Sight<Q> | Refused> {
    if (at === null && isList(query)) await this.#led(via, () => this.#others.moves.confirmCommitted())
    return this.#led(via, () => sightOf(this.#sql, this.#day, clinicId, query, at))
  }

  /** Events after `since`, oldest first, of a damaged day too. The day’s address contains the clinic. */
  history(since: number, max: number): Recorded[] | Refused {
    return this.#mending.history(since, max)
  }

  /** As `history`, for an object that follows this day, and hints of later events. */
  follow(since: number, max: number, listener: Listener): Followed | Refused {
    return this.#guard.use(() => this.#liveStream.follow(since, max, listener))
  }

  /** `known`: what D1 knows of the day. */
  verify(known: Known | null = null): Verdict {
    return this.#mending.verdict(known)
  }

  /** Copies the whole log to D1 again. Returns how many events the log has. */
  resync(operation: Operation): number | Refused {
    return this.#guard.use(() => this.#mending.resync(operation))
  }

  /** Starts the log of a damaged day anew with these events. Returns what D1 has to know from now on. */
  repair(operation: Operation, known: Known | null, events: Event[]): Promise<Known | Refused> {
    return this.#mending.repair(operation, known, events)
  }

  /** Opens a live stream. The Worker has authenticated the caller, or passes on the caller’s ticket. */
  override async fetch(request: Request): Promise<Response> {
    const opened = await this.#guard.use(() => this.#liveStream.open(request))
    return opened instanceof Response ? opened : new Response(opened.refused, { status: 400 })
  }

  override webSocketMessage(socket: WebSocket): void {
    countMessage(socket)
  }
  override webSocketClose(...closed: Closed): void {
    closeBack(...closed)
  }

  issueTicket(operation: Operation, ticket: tickets.HashedTicket): tickets.IssueOutcome | Refused {
    return this.#guard.use(() => tickets.issue(this.ctx.storage, operation, ticket, Date.now()))
  }

  /** Ends what is due, then runs the readers. Never throws: Cloudflare drops an alarm after seven throws. */
  override async alarm(): Promise<void> {
    // The clock was set back: the alarm of a sweep would ring at once, again and again.
    const isEarly = this.#alarmAt < Number.POSITIVE_INFINITY && Date.now() < this.#alarmAt - SECOND_MS
    this.#alarmAt = Number.POSITIVE_INFINITY
    try {
      this.#operations.lapse(Date.now())
      this.#arm(nextDeadline(this.#day))
      if (!isEarly) this.#arm(this.#operations.sweep(Date.now()))
      if (this.#day.isNewer) this.#arm(Date.now() + OPERATOR_MS)
      this.#copy.storePosition() // Now it shares its commit with the alarm.
    } catch (error) {
      logFailure('lapse_failed', error, { day: this.ctx.id.name })
      this.#arm(Date.now() + OPERATOR_MS)
    }
    await Promise.all([this.#liveStream.closeRevoked(), this.#guard.isSound() && this.#others.settle()])
    await this.#catchUp()
    this.#copy.storePosition()
  }

  #afterCommit(events: Recorded[], head: string, isCopied: boolean): void {
    if (events.length > 0) this.#copy.appended(events, head)
    if (events.some(({ type }) => type === 'patient_erased')) this.#liveStream.forgetNames()
    this.#arm(nextDeadline(this.#day))
    if (isCopied) this.ctx.waitUntil(this.#catchUp())
    else if (this.#alarmAt === Number.POSITIVE_INFINITY)
      this.#arm(replies.sweepAt(this.#sql, this.#day, Date.now()))
  }

  /** Work on a sound day. The caller was led to this day by a committed move, so this day confirms it. */
  #led<Result>(via: Via, work: () => Result): Result | Refused {
    return this.#guard.use(() => {
      if (via) this.#others.moves.confirmReservation(via)
      return work()
    })
  }

  async #catchUp(): Promise<void> {
    if (!this.#guard.isSound()) return
    await Promise.all([this.#liveStream.catchUp(), this.#copy.catchUp()])
  }

  /** The earliest request wins: an alarm with nothing to do costs less than cancelling one. */
  #arm(at: number): void {
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    void this.ctx.storage.setAlarm(at)
  }
}
