import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { otherDays } from './client'
import type { Answer, Command, Decision, MoveWanted, Operation, ReplyTo } from './commands'
import { moving } from './moving/moving'
import { copyReader } from './readers/copy'
import { countMessage } from './readers/followers'
import { liveStream } from './readers/sockets'
import { isTransient } from './rules/facts'
import { decide, nextDeadline } from './rules/rules'
import { type Appointment, type Day, type Event, emptyDay, type Recorded } from './state/day'
import { evolve, fold, foldUntil } from './state/fold'
import { type Query, type Seen, view } from './state/views'
import * as log from './storage/log'
import * as tickets from './storage/tickets'

/** When the copy to D1 right after a write fails, or its isolate dies, the alarm runs this much later. */
const COPY_GRACE_MS = 5 * SECOND_MS

/** Setting availability waits this long for the copy, so that a list of doctors read right after shows it. */
const COPY_WAIT_MS = SECOND_MS

/** A log that cannot be folded, or only by a newer version, cannot be folded a second later either. */
const LAPSE_RETRY_MS = MINUTE_MS

const OFFER_SECONDS_DEFAULT = 15 * 60

/** The actor of events that the day appends because time has passed. */
const CLOCK = 'clock'

/**
 * One doctor on one local date. This class is the shell: storage, remote calls, the alarm. rules.ts decides
 * what may happen. There is no `await` between reading the state and appending to the log, so no other
 * request can run in between.
 */
export class DoctorDay extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #offerMs = (Number(this.env.WAITLIST_OFFER_SECONDS) || OFFER_SECONDS_DEFAULT) * SECOND_MS
  #isOpen = log.isOpen(this.#sql)
  #folded: Day | null = null
  #alarmAt = Number.POSITIVE_INFINITY
  readonly #copy = copyReader({
    name: this.ctx.id.name,
    sql: this.#sql,
    database: this.env.DB,
    day: () => this.#day,
    wakeAt: (instant) => this.#arm(instant),
  })
  readonly #moving = moving({
    name: this.ctx.id.name,
    day: () => this.#day,
    perform: (operation, command) => this.#perform(operation, command),
    others: otherDays(this.env),
    wakeAt: (instant) => this.#arm(instant),
  })
  readonly #liveStream = liveStream({
    ctx: this.ctx,
    env: this.env,
    day: () => this.#day,
    events: (after) => this.history(after, -1),
    wakeAt: (instant) => this.#isOpen && this.#arm(instant),
    watchAt: (instant) => instant < Number.POSITIVE_INFINITY && this.#arm(instant),
  })

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    if (this.#isOpen) this.#wake()
  }

  /** Folded at first use: `verify` must still work on a log that is too damaged to fold. */
  get #day(): Day {
    if (this.#folded) return this.#folded
    const day = fold(this.#isOpen ? log.readEvents(this.#sql) : [])
    day.isNewer ||= log.isNewer(this.#sql)
    this.#folded = day
    return day
  }

  #wake(): void {
    try {
      this.ctx.storage.transactionSync(() => log.migrate(this.#sql))
      this.#moving.abortInterrupted()
      this.#arm(nextDeadline(this.#day))
      if (this.#day.moves.size + this.#day.reservations.size > 0) this.#arm(Date.now())
      if (this.#copy.isBehind()) this.#arm(Date.now() + COPY_GRACE_MS)
      this.#arm(this.#liveStream.dueAt())
    } catch (error) {
      logFailure('log_damaged', error, { day: this.ctx.id.name })
    }
  }

  /** Every change of the day goes through this method. `via`: the move that led the caller to this day. */
  async perform<C extends Command>(
    operation: Operation,
    command: C,
    via: string | null = null,
  ): Promise<Answer<ReplyTo<C>>> {
    if (via) this.#moving.confirmReservation(via)
    const answer = this.#perform(operation, command)
    if (['set_availability', 'declare_absence'].includes(command.type))
      await Promise.race([this.#catchUp(), scheduler.wait(COPY_WAIT_MS)])
    return answer
  }

  /** Moves an appointment of this day to another day. This day coordinates the move. */
  move(operation: Operation, wanted: MoveWanted, via: string | null = null): Promise<Answer<Appointment>> {
    if (via) this.#moving.confirmReservation(via)
    return this.#moving.move(operation, wanted)
  }

  /**
   * What a view shows of the day, now or at an instant (epoch ms). A caller of another clinic sees an unused
   * day.
   */
  see<Q extends Query>(
    clinicId: string,
    query: Q,
    at: number | null = null,
    via: string | null = null,
  ): Seen<Q> {
    if (via) this.#moving.confirmReservation(via)
    if (this.#day.identity?.clinicId !== clinicId) return view(emptyDay(), query)
    return view(at === null ? this.#day : foldUntil(log.readEvents(this.#sql), at), query)
  }

  /** Events after `since`, oldest first. The day’s address contains the caller’s clinic: no check needed. */
  history(since: number, max: number): Recorded[] {
    return this.#isOpen ? log.readEvents(this.#sql, since, max) : []
  }

  verify(): log.Verdict {
    return log.verify(this.#sql)
  }

  /** Copies the whole log to D1 again. Returns how many events the log has. */
  resync(operation: Operation): number {
    if (!this.#isOpen) return 0
    const known = log.recallReply(this.#sql, operation.id)
    if (known !== undefined) return JSON.parse(known) as number
    if (this.#day.isNewer) throw new Error('newer_version')
    const events = this.#day.version
    this.ctx.storage.transactionSync(() => {
      this.#copy.rewind()
      log.rememberReply(this.#sql, operation.id, JSON.stringify(events))
      this.#arm(Date.now() + COPY_GRACE_MS)
    })
    this.ctx.waitUntil(this.#catchUp())
    return events
  }

  /** Opens a live stream. The Worker has authenticated the caller, or passes on the caller’s ticket. */
  override fetch(request: Request): Promise<Response> {
    return this.#liveStream.open(request)
  }

  override webSocketMessage(socket: WebSocket): void {
    countMessage(socket)
  }

  issueTicket(operation: Operation, ticket: tickets.HashedTicket): tickets.IssueOutcome {
    return this.ctx.storage.transactionSync(() => tickets.issue(this.#sql, operation, ticket, Date.now()))
  }

  /** Ends what is due, then runs the readers. Never throws: Cloudflare drops an alarm after seven throws. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY
    try {
      this.#lapse(Date.now())
      this.#arm(nextDeadline(this.#day))
      if (this.#day.isNewer) this.#arm(Date.now() + LAPSE_RETRY_MS)
    } catch (error) {
      logFailure('lapse_failed', error, { day: this.ctx.id.name })
      this.#arm(Date.now() + LAPSE_RETRY_MS)
    }
    await Promise.all([this.#liveStream.closeRevoked(), this.#isOpen && this.#moving.settle()])
    await this.#catchUp()
  }

  /** A known operation gets its first reply. Otherwise what is due ends first, then the rules decide. */
  #perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>> {
    const known = this.#isOpen ? log.recallReply(this.#sql, operation.id) : undefined
    if (known !== undefined) return JSON.parse(known) as Answer<ReplyTo<C>>
    const now = Date.now()
    this.#lapse(now)
    const decision = decide(this.#day, command, this.#moment(now, operation.actor))
    const answer: Answer<ReplyTo<C>> = decision.ok ? { ok: true, reply: decision.reply } : decision
    const events = this.#toRecorded(decision.ok ? decision.events : [], operation.actor, now)
    const isFinal = !(decision.ok && decision.isUnderWay)
    const isRemembered =
      isFinal && (events.length > 0 || (operation.isKeyed && this.#mayRemember(command, decision)))
    this.#commit(events, isRemembered ? [operation.id, JSON.stringify(answer)] : null, now)
    return answer
  }

  #lapse(now: number): void {
    if (nextDeadline(this.#day) > now) return
    const decision = decide(this.#day, { type: 'lapse' }, this.#moment(now, CLOCK))
    this.#commit(this.#toRecorded(decision.ok ? decision.events : [], CLOCK, now), null, now)
  }

  /** Appends, remembers the reply and sets the alarm in one transaction; then updates memory and copy. */
  #commit(events: Recorded[], remembered: [opId: string, reply: string] | null, at: number): void {
    if (events.length === 0 && !remembered) return
    try {
      this.ctx.storage.transactionSync(() => {
        if (!this.#isOpen) log.migrate(this.#sql)
        for (const event of events) log.append(this.#sql, event)
        if (remembered) log.rememberReply(this.#sql, ...remembered)
        if (events.length > 0) this.#arm(at + COPY_GRACE_MS)
      })
    } catch (error) {
      // The rollback may have undone the alarm as well.
      this.#alarmAt = Number.POSITIVE_INFINITY
      throw error
    }
    this.#isOpen = true
    for (const event of events) evolve(this.#day, event)
    this.#arm(nextDeadline(this.#day))
    if (events.length > 0) this.ctx.waitUntil(this.#catchUp())
  }

  /** Whether the day may store an answer that changed nothing: guessing ids must not create storage. */
  #mayRemember(command: Command, decision: Decision<unknown>): boolean {
    if (!decision.ok && isTransient(decision.refused)) return false
    return this.#isOpen || 'opening' in command
  }

  #toRecorded(events: Event[], actor: string, at: number): Recorded[] {
    const first = this.#day.version + 1
    return events.map((event, index) => ({ ...event, at, actor, seq: first + index }))
  }

  #moment(at: number, actor: string) {
    return { at, actor, offerMs: this.#offerMs }
  }

  async #catchUp(): Promise<void> {
    if (this.#isOpen) await Promise.all([this.#liveStream.catchUp(), this.#copy.catchUp()])
  }

  /** The earliest request wins: an alarm with nothing to do costs less than cancelling one. */
  #arm(at: number): void {
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    void this.ctx.storage.setAlarm(at)
  }
}
