import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { otherDays } from './client'
import type { Answer, Command, Known, MoveWanted, Operation, Refused, ReplyTo } from './commands'
import { guard } from './guard'
import { moving } from './moving/moving'
import { operations } from './operations'
import { copyReader } from './readers/copy'
import { countMessage } from './readers/followers'
import { liveStream } from './readers/sockets'
import { refuse } from './rules/facts'
import { nextDeadline } from './rules/rules'
import { type Appointment, type Day, type Event, emptyDay, type Recorded } from './state/day'
import { foldUntil } from './state/fold'
import { type Query, type Sight, view } from './state/views'
import * as log from './storage/log'
import * as replies from './storage/replies'
import * as tickets from './storage/tickets'
import { type Verdict, verify } from './storage/verdict'

/** When the copy to D1 right after a write fails, or its isolate dies, the alarm runs this much later. */
const COPY_GRACE_MS = 5 * SECOND_MS

/** Setting availability waits this long for the copy, for the next list. The copy logs its own failures. */
const COPY_WAIT_MS = SECOND_MS

/** What is due on a day that is damaged, or that only a newer version can change, waits for an operator. */
const OPERATOR_MS = MINUTE_MS

const OFFER_SECONDS_DEFAULT = 15 * 60

const UNREADABLE: Verdict = { ok: false, head: null, count: 0, reason: 'unreadable' }

/**
 * One doctor on one local date. This class is the shell: storage, remote calls, the alarm. rules.ts decides
 * what may happen. There is no `await` between reading the state and appending to the log, so no other
 * request can run in between.
 */
export class DoctorDay extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #stored = { sql: this.#sql, keys: this.env.DOCTORDAY_SECRET, name: this.ctx.id.name }
  readonly #guard = guard(this.ctx.storage, this.#stored, this.env.DB)
  #alarmAt = Number.POSITIVE_INFINITY
  readonly #operations = operations({
    storage: this.ctx.storage,
    stored: this.#stored,
    guard: this.#guard,
    offerMs: (Number(this.env.WAITLIST_OFFER_SECONDS) || OFFER_SECONDS_DEFAULT) * SECOND_MS,
    beforeCommit: (at) => this.#arm(at + COPY_GRACE_MS),
    // The rollback may have undone the alarm as well.
    afterRollback: () => {
      this.#alarmAt = Number.POSITIVE_INFINITY
    },
    afterCommit: (...committed) => this.#afterCommit(...committed),
  })
  readonly #copy = copyReader({
    name: this.ctx.id.name,
    sql: this.#sql,
    env: this.env,
    day: () => this.#day,
    checkOnce: () => this.#guard.checkOnce(),
    wakeAt: (instant) => this.#arm(instant),
  })
  readonly #moving = moving({
    name: this.ctx.id.name,
    day: () => this.#day,
    perform: (operation, command) => this.#operations.perform(operation, command),
    others: otherDays(this.env),
    wakeAt: (instant) => this.#arm(instant),
  })
  readonly #liveStream = liveStream({
    ctx: this.ctx,
    env: this.env,
    day: () => this.#day,
    events: (after) => (this.#guard.isOpen() ? log.readEvents(this.#sql, after) : []),
    wakeAt: (instant) => this.#guard.isOpen() && this.#arm(instant),
    watchAt: (instant) => instant < Number.POSITIVE_INFINITY && this.#arm(instant),
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
    this.#moving.abortInterrupted()
    this.#arm(nextDeadline(this.#day))
    if (this.#day.moves.size + this.#day.reservations.size > 0) this.#arm(Date.now())
    if (this.#copy.isBehind()) this.#arm(Date.now() + COPY_GRACE_MS)
    this.#arm(this.#liveStream.dueAt())
    this.#arm(replies.sweepAt(this.#sql, this.#day, Date.now()))
  }

  /** Every change of the day goes through this method. `via`: the move that led the caller to this day. */
  async perform<C extends Command>(
    operation: Operation,
    command: C,
    via: string | null = null,
  ): Promise<Answer<ReplyTo<C>>> {
    if (await this.#guard.check(operation, command)) return refuse('day_damaged')
    const answer = this.#guard.use(() => {
      if (via) this.#moving.confirmReservation(via)
      return this.#operations.perform(operation, command)
    })
    if (['set_availability', 'declare_absence'].includes(command.type))
      await withTimeout(this.#catchUp(), COPY_WAIT_MS).catch(() => undefined)
    return answer
  }

  /** Moves an appointment of this day to another day. This day coordinates the move. */
  async move(
    operation: Operation,
    wanted: MoveWanted,
    via: string | null = null,
  ): Promise<Answer<Appointment>> {
    return this.#guard.use(() => {
      if (via) this.#moving.confirmReservation(via)
      return this.#moving.move(operation, wanted)
    })
  }

  /** A view of the day, now or at an instant (epoch ms). To a caller of another clinic the day is unused. */
  see<Q extends Query>(
    clinicId: string,
    query: Q,
    at: number | null = null,
    via: string | null = null,
  ): Sight<Q> | Refused {
    return this.#guard.use(() => {
      if (via) this.#moving.confirmReservation(via)
      const { version, identity } = this.#day
      if (identity?.clinicId !== clinicId) return { seen: view(emptyDay(), query), version }
      const day = at === null ? this.#day : foldUntil(log.readEvents(this.#sql), at)
      return { seen: view(day, query), version }
    })
  }

  /**
   * Events after `since`, oldest first. The day’s address contains the caller’s clinic: no check needed. Of a
   * damaged day it shows what can be read.
   */
  history(since: number, max: number): Recorded[] | Refused {
    const read = () => (this.#guard.isOpen() ? [...log.readEvents(this.#sql, since, max)] : [])
    return this.#guard.read(read, refuse('day_damaged'))
  }

  /** `known`: what D1 knows of the day. */
  verify(known: Known | null = null): Verdict {
    return this.#guard.read(() => verify(this.#stored, known), UNREADABLE)
  }

  /** Copies the whole log to D1 again. Returns how many events the log has. */
  resync(operation: Operation): number | Refused {
    return this.#guard.use(() => {
      if (!this.#guard.isOpen()) return 0
      const known = this.#operations.recall<number>(operation)
      if (known !== null) return known
      if (this.#day.isNewer) return refuse('newer_version')
      const [events, now] = [this.#day.version, Date.now()]
      this.ctx.storage.transactionSync(() => {
        this.#copy.rewind()
        replies.record(this.#stored, [], [operation.id, JSON.stringify(events)], now)
        this.#arm(now + COPY_GRACE_MS)
      })
      this.ctx.waitUntil(this.#catchUp())
      return events
    })
  }

  /**
   * Starts the log of a damaged day anew with these events; `known`: what D1 knows of the day. Returns what
   * D1 has to know from now on. A retry changes nothing.
   */
  async repair(operation: Operation, known: Known | null, events: Event[]): Promise<Known | Refused> {
    const first = this.#guard.use(() => this.#operations.recall<number>(operation))
    if (typeof first === 'number') return log.knownAt(this.#sql, first)
    if (this.verify(known).ok) return refuse('day_intact')
    await this.ctx.storage.deleteAll()
    this.#alarmAt = Number.POSITIVE_INFINITY
    this.#guard.reload()
    this.#operations.begin(operation, events)
    this.#copy.rewind()
    this.#liveStream.restart()
    return log.knownAt(this.#sql, events.length)
  }

  /** Opens a live stream. The Worker has authenticated the caller, or passes on the caller’s ticket. */
  override async fetch(request: Request): Promise<Response> {
    const opened = await this.#guard.use(() => this.#liveStream.open(request))
    return opened instanceof Response ? opened : new Response(opened.refused, { status: 400 })
  }

  override webSocketMessage(socket: WebSocket): void {
    countMessage(socket)
  }

  issueTicket(operation: Operation, ticket: tickets.HashedTicket): tickets.IssueOutcome | Refused {
    return this.#guard.use(() =>
      this.ctx.storage.transactionSync(() => tickets.issue(this.#sql, operation, ticket, Date.now())),
    )
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
    const isUsable = this.#guard.isOpen() && !this.#guard.damage()
    await Promise.all([this.#liveStream.closeRevoked(), isUsable && this.#moving.settle()])
    await this.#catchUp()
    this.#copy.storePosition()
  }

  #afterCommit(events: Recorded[], head: string, isCopied: boolean): void {
    if (events.length > 0) this.#copy.appended(events, head)
    this.#arm(nextDeadline(this.#day))
    if (isCopied) this.ctx.waitUntil(this.#catchUp())
    else if (this.#alarmAt === Number.POSITIVE_INFINITY)
      this.#arm(replies.sweepAt(this.#sql, this.#day, Date.now()))
  }

  async #catchUp(): Promise<void> {
    if (!this.#guard.isOpen() || this.#guard.damage()) return
    await Promise.all([this.#liveStream.catchUp(), this.#copy.catchUp()])
  }

  /** The earliest request wins: an alarm with nothing to do costs less than cancelling one. */
  #arm(at: number): void {
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    void this.ctx.storage.setAlarm(at)
  }
}
