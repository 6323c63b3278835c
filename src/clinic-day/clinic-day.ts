import { DurableObject } from 'cloudflare:workers'
import {
  type Closed,
  closeBack,
  countMessage,
  followRequestOf,
  openFollowers,
} from '../doctor-day/readers/followers'
import type { View } from '../doctor-day/readers/live'
import { type KnownNames, type Messages, type Source, streamTo } from '../doctor-day/readers/sockets'
import { clinicDayKey } from '../doctor-day/storage/address'
import * as tickets from '../doctor-day/storage/tickets'
import { DAY_MS } from '../lib/time'
import { type DaysReader, daysReader, POLL_MS } from './days-reader'
import { type ClinicEvent, clinicEventOf, messageOf, type Setting, snapshotOf } from './messages'
import { numbering } from './numbering'

/** A follower that has missed more gets a snapshot. */
export const MISSED_MAX = 10_000

/** How long the numbers outlive their last follower or ticket. They are no record of anything. */
const KEPT_MS = DAY_MS

/**
 * All days of a clinic on one date, as one live stream. It owns nothing but the order in which it has read
 * the events of the days: `numbering`. While it has followers it keeps these events in memory, and asks D1
 * each second whether a day has gone on that sent no hint. Without followers it does nothing.
 */
export class ClinicDay extends DurableObject<Env> {
  #numbers = numbering(this.ctx.storage.sql)
  #reader: DaysReader | null = null
  /** By doctor, in the order of the day; each event has the records as it left them. */
  readonly #events = new Map<string, ClinicEvent[]>()
  /** Every event that has a number was read. From then on each event gets its number when it is read. */
  #isRead = false
  #isPolling = false
  #alarmAt = Number.POSITIVE_INFINITY
  readonly #source: Source = {
    clinicId: () => this.#numbers.identity()?.clinicId ?? null,
    version: () => this.#numbers.last(),
    read: () => undefined,
    messagesAfter: (seq, view, names) => this.#messagesAfter(seq, view, names),
    forget: () => undefined,
  }
  readonly #stream = streamTo({
    ctx: this.ctx,
    env: this.env,
    source: this.#source,
    addressOf: (clinicId, { date }) => clinicDayKey(clinicId, date),
    wakeAt: (instant) => this.#arm(instant),
    watchAt: (instant) => this.#arm(instant),
  })

  /** Opens a live stream. The Worker has authenticated the caller, or passes on the caller’s ticket. */
  override async fetch(request: Request): Promise<Response> {
    const asked = followRequestOf(request)
    const { date = '' } = asked
    if ('clinicId' in asked) this.#numbers.begin({ clinicId: asked.clinicId, date }, Date.now())
    const opened = await this.#stream.open(request)
    this.#poll()
    if (!this.#isPolling) this.#arm(Date.now() + KEPT_MS)
    return opened
  }

  override webSocketMessage(socket: WebSocket): void {
    countMessage(socket)
  }

  override webSocketClose(...closed: Closed): void {
    closeBack(...closed)
  }

  async issueTicket(
    operation: { id: string; actor: string },
    ticket: tickets.HashedTicket,
    date: string,
  ): Promise<tickets.IssueOutcome> {
    this.#numbers.begin({ clinicId: ticket.clinicId, date }, Date.now())
    this.#numbers.use(Date.now())
    this.#arm(Date.now() + KEPT_MS)
    return tickets.issue(this.ctx.storage, operation, ticket, Date.now())
  }

  /** The day of this doctor has new events. The day does not wait for what follows. */
  async hint(doctorId: string): Promise<void> {
    if (!this.#isFollowed()) return
    this.#readerOf()?.expect(doctorId)
    this.ctx.waitUntil(this.#catchUp())
    this.#poll()
  }

  /** Closes the streams of revoked keys, and goes on after an eviction. Never throws. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY
    await this.#stream.closeRevoked()
    if (this.#isFollowed()) return this.#poll()
    const sweepAt = this.#numbers.usedAt() + KEPT_MS
    if (Date.now() < sweepAt) return this.#arm(sweepAt)
    await this.ctx.storage.deleteAll()
    this.#forget()
  }

  #isFollowed(): boolean {
    return openFollowers(this.ctx, Date.now()).length > 0
  }

  /** Reads until the last follower has gone: one loop at a time. */
  #poll(): void {
    if (this.#isPolling || !this.#isFollowed()) return
    this.#isPolling = true
    this.ctx.waitUntil(this.#untilAlone())
  }

  async #untilAlone(): Promise<void> {
    while (this.#isFollowed()) {
      await this.#catchUp(true)
      await scheduler.wait(POLL_MS)
    }
    this.#isPolling = false
    this.#numbers.use(Date.now())
    this.#arm(Date.now() + KEPT_MS)
    this.#forget()
  }

  /** The numbers stay in storage, for those who come back. */
  #forget(): void {
    this.#numbers = numbering(this.ctx.storage.sql)
    this.#reader = null
    this.#events.clear()
    this.#isRead = false
  }

  async #catchUp(isPoll = false): Promise<void> {
    const reader = this.#readerOf()
    await reader?.catchUp({ isPoll })
    // Meanwhile the last follower may have left, and another one come.
    if (reader === this.#reader && !this.#isRead) this.#isRead = this.#isWhole()
    await this.#stream.catchUp()
  }

  #readerOf(): DaysReader | null {
    const identity = this.#numbers.identity()
    if (this.#reader || !identity) return this.#reader
    const reader = daysReader({
      ...identity,
      env: this.env,
      listener: { binding: 'CLINIC_DAY', name: this.ctx.id.name ?? '' },
      onEvent: ({ doctorId, day }, event) => {
        if (reader !== this.#reader) return
        const events = this.#events.get(doctorId) ?? []
        events.push(clinicEventOf(doctorId, day, event))
        if (event.type === 'patient_erased') this.#stream.forgetNames()
        this.#events.set(doctorId, events)
      },
      onRead: ({ doctorId, log }) => reader === this.#reader && this.#isRead && this.#number(doctorId, log),
      onRestart: (doctorId) => {
        if (reader !== this.#reader) return
        this.#events.delete(doctorId)
        if (this.#isRead) this.#restart(reader)
      },
    })
    for (const doctorId of this.#numbers.doctorIds()) reader.expect(doctorId)
    this.#reader = reader
    return reader
  }

  #number(doctorId: string, log: string | null): void {
    const numbered = this.#numbers.ofDoctor(doctorId)?.count ?? 0
    const added = (this.#events.get(doctorId)?.length ?? 0) - numbered
    if (added > 0 && log !== null) this.#numbers.append(doctorId, log, added)
  }

  /** The numbers do not fit the logs any more: new ones, and every follower gets a snapshot. */
  #restart(reader: DaysReader): void {
    this.#numbers.restart(Date.now())
    for (const { doctorId, log } of reader.days.values()) this.#number(doctorId, log)
    this.#stream.restart()
  }

  /** After the first reading: whether the events that have numbers are there. */
  #isWhole(): boolean {
    const reader = this.#reader
    if (!reader) return false
    const known = this.#numbers.doctorIds()
    if (known.length === 0 && !reader.isListed()) return false
    const missing = known.filter((doctorId) => !this.#fits(doctorId, reader))
    if (missing.some((doctorId) => reader.problems.get(doctorId) === 'failed')) return false
    if (missing.length > 0) this.#restart(reader)
    else for (const { doctorId, log } of reader.days.values()) this.#number(doctorId, log)
    return true
  }

  #fits(doctorId: string, { days }: DaysReader): boolean {
    const numbered = this.#numbers.ofDoctor(doctorId)
    const read = this.#events.get(doctorId)?.length ?? 0
    return numbered?.log === days.get(doctorId)?.log && read >= (numbered?.count ?? 0)
  }

  #messagesAfter(seq: number | null, view: View, { byId: names, onBoards }: KnownNames): Messages {
    const [reader, identity] = [this.#reader, this.#numbers.identity()]
    const [base, last] = [this.#numbers.base(), this.#numbers.last()]
    if (!this.#isRead || !reader || !identity) return { messages: [], unnamed: [] }
    const setting: Setting = {
      ...{ view, names, date: identity.date, showsInitials: onBoards },
      doctorOf: (id) => {
        const { name, code, specialty } = reader.doctors.get(id) ?? { name: '', code: '', specialty: null }
        return { id, name, code, specialty }
      },
    }
    if (seq === null || seq < base || seq > last || last - seq > MISSED_MAX) {
      const { message, unnamed } = snapshotOf([...reader.days.values()], last, setting)
      return { messages: message ? [message] : [], unnamed }
    }
    const found: Messages = { messages: [], unnamed: [] }
    for (let number = seq + 1; number <= last; number += 1) {
      const at = this.#numbers.eventAt(number)
      const event = at && this.#events.get(at.doctorId)?.[at.seq - 1]
      if (!event) break
      const { message, unnamed } = messageOf(event, number, setting)
      found.unnamed.push(...unnamed)
      // Behind the first message that lacks a name none is sent, but the names of all are loaded at once.
      if (message && found.unnamed.length === 0) found.messages.push(message)
    }
    return found
  }

  /** The earliest request wins. */
  #arm(at: number): void {
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    void this.ctx.storage.setAlarm(at)
  }
}
