import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { foldUntil } from './as-of'
import type { Command, Decision, Refused, ReplyTo } from './commands'
import { copyToD1 } from './copy'
import type { Appointment, Availability, CheckIn, Day, Event, Recorded } from './day'
import { evolve, fold } from './fold'
import { type Ledger, ledgerOf } from './ledger'
import * as log from './log'
import { decide, nextDeadline } from './rules'

/** Which operation this is (a retry finds its first reply) and which API key asks for it. */
export interface Operation {
  id: string
  actor: string
  /**
   * The caller sent a key of its own: then every answer is remembered, refusals as well, so that a retry
   * cannot end otherwise.
   */
  isKeyed: boolean
}

export type Answer<Reply> = { ok: true; reply: Reply } | Refused

/** Should a write's own copy to D1 fail, or its isolate die, the alarm comes this much later. */
const COPY_GRACE_MS = 5 * SECOND_MS
const COPY_BACKOFF_MAX_MS = 5 * MINUTE_MS
const COPY_EVENTS_MAX = 500

/** How long setting availability waits for the copy, so that a list of doctors read right after shows it. */
const COPY_WAIT_MS = SECOND_MS

/** A log that cannot be folded will not fold a second later either; somebody has to look. */
const LAPSE_RETRY_MS = MINUTE_MS

const OFFER_SECONDS_USUAL = 15 * 60

/** Who ends what nobody ended in time. */
const CLOCK = 'clock'

/**
 * One doctor on one local date. This class is the shell: storage, remote calls, the alarm. What may happen
 * stands in rules.ts. No `await` lies between reading the state and appending to the log, so nobody can come
 * between.
 */
export class DoctorDay extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #offerMs = (Number(this.env.WAITLIST_OFFER_SECONDS) || OFFER_SECONDS_USUAL) * SECOND_MS
  #isOpen = log.isOpen(this.#sql)
  #folded: Day | null = null
  #alarmAt = Number.POSITIVE_INFINITY
  #copying: Promise<void> | null = null
  #copyFailures = 0
  #rewinds = 0

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    if (this.#isOpen) this.#wake()
  }

  /** Folded when first asked for: a log too damaged to fold must still be there to verify. */
  get #day(): Day {
    this.#folded ??= fold(this.#isOpen ? log.readEvents(this.#sql) : [])
    return this.#folded
  }

  #wake(): void {
    try {
      this.#arm(nextDeadline(this.#day))
      if (this.#copied() < this.#day.version) this.#arm(Date.now() + COPY_GRACE_MS)
    } catch (error) {
      logFailure('log_damaged', error, { day: this.ctx.id.name })
    }
  }

  /** Every change of the day comes through here. */
  async perform<C extends Command>(operation: Operation, command: C): Promise<Answer<ReplyTo<C>>> {
    const answer = this.#perform(operation, command)
    if (command.type === 'set_availability')
      await Promise.race([this.#catchUp(), scheduler.wait(COPY_WAIT_MS)])
    return answer
  }

  appointment(clinicId: string, id: string): Appointment | null {
    return this.#belongsTo(clinicId) ? (this.#day.appointments.get(id) ?? null) : null
  }

  /** Those that are not cancelled, by slot. */
  appointments(clinicId: string): Appointment[] {
    if (!this.#belongsTo(clinicId)) return []
    return [...this.#day.appointments.values()]
      .filter(({ status }) => status !== 'cancelled')
      .sort((one, other) => one.slot - other.slot || one.createdAt - other.createdAt)
  }

  /** Null where nobody has said anything of this day. */
  availability(clinicId: string): Availability | null {
    const { availability, capacity } = this.#day
    return availability && this.#belongsTo(clinicId) ? { ...availability, capacity } : null
  }

  /** Everyone who has checked in, by position. (`queue` is a name the runtime keeps for itself.) */
  arrivals(clinicId: string): CheckIn[] {
    if (!this.#belongsTo(clinicId)) return []
    return [...this.#day.checkIns.values()].sort((one, other) => one.position - other.position)
  }

  /** Events behind `since`, oldest first. Who asks names clinic, doctor and date; no id leads here. */
  history(since: number, max: number): Recorded[] {
    return this.#isOpen ? log.readEvents(this.#sql, since, max) : []
  }

  verify(): log.Verdict {
    return log.verify(this.#sql)
  }

  /** The copy reads the log again from its start. Answers how many events that is. */
  resync(operation: Operation): number {
    if (!this.#isOpen) return 0
    const known = log.recallReply(this.#sql, operation.id)
    if (known !== undefined) return JSON.parse(known) as number
    const events = this.#day.version
    this.ctx.storage.transactionSync(() => {
      log.moveReader(this.#sql, 'copy', 0)
      log.rememberReply(this.#sql, operation.id, JSON.stringify(events))
      this.#arm(Date.now() + COPY_GRACE_MS)
    })
    this.#rewinds += 1
    this.ctx.waitUntil(this.#catchUp())
    return events
  }

  /** Now, or as the day stood at an instant (epoch ms); null where nobody had touched it by then. */
  ledger(clinicId: string, at: number | null): Ledger | null {
    if (!this.#belongsTo(clinicId)) return null
    const day = at === null ? this.#day : foldUntil(log.readEvents(this.#sql), at)
    return day.place && ledgerOf(day)
  }

  /** Ends what is due and sees to the copy. Never throws: after seven throws an alarm is dropped for good. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY
    try {
      this.#lapse(Date.now())
      this.#arm(nextDeadline(this.#day))
    } catch (error) {
      logFailure('lapse_failed', error, { day: this.ctx.id.name })
      this.#arm(Date.now() + LAPSE_RETRY_MS)
    }
    await this.#catchUp()
  }

  /** Known operation: its reply. Else what is due ends first, then the rules decide. */
  #perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>> {
    const known = this.#isOpen ? log.recallReply(this.#sql, operation.id) : undefined
    if (known !== undefined) return JSON.parse(known) as Answer<ReplyTo<C>>
    const now = Date.now()
    this.#lapse(now)
    const decision = decide(this.#day, command, this.#moment(now, operation.actor))
    const answer: Answer<ReplyTo<C>> = decision.ok ? { ok: true, reply: decision.reply } : decision
    const events = this.#recorded(decision.ok ? decision.events : [], operation.actor, now)
    const isRemembered = events.length > 0 || (operation.isKeyed && this.#mayRemember(command, decision))
    this.#commit(events, isRemembered ? [operation.id, JSON.stringify(answer)] : null, now)
    return answer
  }

  #lapse(now: number): void {
    if (nextDeadline(this.#day) > now) return
    const decision = decide(this.#day, { type: 'lapse' }, this.#moment(now, CLOCK))
    this.#commit(this.#recorded(decision.ok ? decision.events : [], CLOCK, now), null, now)
  }

  /** Append, remember and arm as one transaction; then the memory; then the copy. */
  #commit(events: Recorded[], remembered: [opId: string, reply: string] | null, at: number): void {
    if (events.length === 0 && !remembered) return
    this.ctx.storage.transactionSync(() => {
      if (!this.#isOpen) log.open(this.#sql)
      for (const event of events) log.append(this.#sql, event)
      if (remembered) log.rememberReply(this.#sql, ...remembered)
      if (events.length > 0) this.#arm(at + COPY_GRACE_MS)
    })
    this.#isOpen = true
    for (const event of events) evolve(this.#day, event)
    this.#arm(nextDeadline(this.#day))
    if (events.length > 0) this.ctx.waitUntil(this.#catchUp())
  }

  /** Whether an answer that changed nothing may be stored: guessing ids must not create storage. */
  #mayRemember(command: Command, decision: Decision<unknown>): boolean {
    const isUnknown = !decision.ok && decision.refused === 'not_found'
    return !isUnknown && (this.#isOpen || 'opening' in command)
  }

  #recorded(events: Event[], actor: string, at: number): Recorded[] {
    const first = this.#day.version + 1
    return events.map((event, index) => ({ ...event, at, actor, seq: first + index }))
  }

  #moment(at: number, actor: string) {
    return { at, actor, offerMs: this.#offerMs }
  }

  #belongsTo(clinicId: string): boolean {
    return this.#day.place?.clinicId === clinicId
  }

  /** One copy runs at a time; it goes on until it has met the end of the log. */
  #catchUp(): Promise<void> {
    this.#copying ??= this.#copy().finally(() => {
      this.#copying = null
    })
    return this.#copying
  }

  async #copy(): Promise<void> {
    if (!this.#isOpen) return
    try {
      for (let at = this.#copied(); at < this.#day.version; at = this.#copied()) {
        const [events, rewinds] = [log.readEvents(this.#sql, at, COPY_EVENTS_MAX), this.#rewinds]
        await copyToD1(this.env.DB, this.#day, events)
        // A resync asked for meanwhile has put the reader back to the start; there it stays.
        if (rewinds === this.#rewinds) log.moveReader(this.#sql, 'copy', events.at(-1)?.seq ?? at)
      }
      this.#copyFailures = 0
    } catch (error) {
      this.#copyFailures += 1
      logFailure('copy_failed', error, { day: this.ctx.id.name, failures: this.#copyFailures })
      this.#arm(Date.now() + Math.min(SECOND_MS * 2 ** this.#copyFailures, COPY_BACKOFF_MAX_MS))
    }
  }

  #copied(): number {
    return log.readerAt(this.#sql, 'copy')
  }

  /** The earliest wish wins; an alarm that finds nothing to do costs less than taking one back. */
  #arm(at: number): void {
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    void this.ctx.storage.setAlarm(at)
  }
}
