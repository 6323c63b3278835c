import { DurableObject } from 'cloudflare:workers'
import { newId } from '../lib/id'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { newAppointmentId } from './address'
import { fold, foldUntil } from './as-of'
import { copyToD1 } from './copy'
import {
  type Appointment,
  type Arrive,
  type Availability,
  type Book,
  type CheckIn,
  type Command,
  type Day,
  type Event,
  emptyDay,
  type Recorded,
  type Refused,
  type ReplyTo,
  type SetAvailability,
} from './day'
import * as log from './log'
import { decide, evolve } from './rules'

/** Which operation this is (a retry finds its first reply) and which API key asks for it. */
export interface Operation {
  id: string
  actor: string
  /**
   * The caller sent a key of its own: then a refusal is remembered as well, so that a retry cannot end
   * otherwise.
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

/**
 * One doctor on one local date. This class is the shell: storage, remote calls, the alarm. What may happen
 * stands in rules.ts. No `await` lies between reading the state and appending to the log, so nobody can come
 * between.
 */
export class DoctorDay extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  #folded: Day | null = null
  #isOpen = false
  #alarmAt = Number.POSITIVE_INFINITY
  #copying: Promise<void> | null = null
  #copyFailures = 0
  #rewinds = 0

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#isOpen = log.isOpen(this.#sql)
    if (!this.#isOpen) return
    if (log.readerAt(this.#sql, 'copy') < log.headOf(this.#sql).seq) this.#arm(Date.now() + COPY_GRACE_MS)
  }

  /** Folded when first asked for, not on waking: a log too damaged to fold must still be there to verify. */
  get #day(): Day {
    this.#folded ??= this.#isOpen ? fold(log.readEvents(this.#sql)) : emptyDay()
    return this.#folded
  }

  book(operation: Operation, wanted: Omit<Book, 'type' | 'appointmentId'>): Answer<Appointment> {
    const { clinicId, doctorId, date } = wanted.opening
    const appointmentId = newAppointmentId(clinicId, doctorId, date)
    return this.#perform(operation, { type: 'book', appointmentId, ...wanted })
  }

  async setAvailability(
    operation: Operation,
    wanted: Omit<SetAvailability, 'type' | 'id'>,
  ): Promise<Answer<Availability>> {
    const answer = this.#perform(operation, { type: 'set_availability', id: newId(), ...wanted })
    await Promise.race([this.#catchUp(), scheduler.wait(COPY_WAIT_MS)])
    return answer
  }

  checkIn(operation: Operation, wanted: Omit<Arrive, 'type' | 'checkInId'>): Answer<CheckIn> {
    return this.#perform(operation, { type: 'check_in', checkInId: newId(), ...wanted })
  }

  appointment(clinicId: string, id: string): Appointment | null {
    return this.#belongsTo(clinicId) ? (this.#day.appointments.get(id) ?? null) : null
  }

  /** Those that hold a slot, by slot. */
  appointments(clinicId: string): Appointment[] {
    if (!this.#belongsTo(clinicId)) return []
    return [...this.#day.slots.values()].sort((one, other) => one.slot - other.slot)
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

  /** The day as it stood at an instant (epoch ms); null where nobody had touched it by then. */
  dayAt(clinicId: string, at: number): Day | null {
    if (!this.#belongsTo(clinicId)) return null
    const day = foldUntil(log.readEvents(this.#sql), at)
    return day.place && day
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

  /** The safety net of the copy. Never throws: after seven throws the platform drops an alarm for good. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY
    await this.#catchUp()
  }

  /**
   * Known operation: its reply. Else decide, append, remember and arm as one; then the memory; then the copy.
   */
  #perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>> {
    const known = this.#isOpen ? log.recallReply(this.#sql, operation.id) : undefined
    if (known !== undefined) return JSON.parse(known) as Answer<ReplyTo<C>>

    const moment = { at: Date.now(), actor: operation.actor }
    const decision = decide(this.#day, command, moment)
    if (!decision.ok) return this.#refuse(operation, decision)
    const { events, reply } = decision
    const answer = { ok: true, reply } as const
    const first = this.#day.version + 1
    this.#commit(
      operation,
      events.map((event, index) => ({ ...event, ...moment, seq: first + index })),
      answer,
    )
    return answer
  }

  #commit(operation: Operation, events: Recorded<Event>[], answer: Answer<unknown>): void {
    this.ctx.storage.transactionSync(() => {
      if (!this.#isOpen) log.open(this.#sql)
      for (const event of events) log.append(this.#sql, event)
      log.rememberReply(this.#sql, operation.id, JSON.stringify(answer))
      this.#arm(Date.now() + COPY_GRACE_MS)
    })
    this.#isOpen = true
    for (const event of events) evolve(this.#day, event)
    this.ctx.waitUntil(this.#catchUp())
  }

  /** A day nobody has opened stays untouched: guessing ids must not create storage. */
  #refuse(operation: Operation, refused: Refused): Refused {
    const isWorthKeeping = operation.isKeyed && this.#isOpen && refused.refused !== 'not_found'
    if (isWorthKeeping) log.rememberReply(this.#sql, operation.id, JSON.stringify(refused))
    return refused
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
