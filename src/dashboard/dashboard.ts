import { DurableObject } from 'cloudflare:workers'
import { type DaysReader, daysReader, POLL_MS } from '../clinic-day/days-reader'
import {
  CLOSE_CODES,
  type Closed,
  close,
  closeBack,
  type Follower,
  followRequestOf,
  openFollowers,
  RECONNECT,
} from '../doctor-day/readers/followers'
import { revocations } from '../doctor-day/readers/revoked'
import { admit, admittedBy, refusal } from '../doctor-day/readers/sockets'
import { dashboardKey } from '../doctor-day/storage/address'
import * as tickets from '../doctor-day/storage/tickets'
import { logFailure } from '../lib/log'
import { iso, MINUTE_MS, SECOND_MS } from '../lib/time'
import type { DashboardMessage, Picture } from './model'
import { knownPatients } from './patients'
import { pictureOf, stateOf } from './picture'
import { readRequest } from './requests'

/** At most four pictures a second go to a dashboard. What happens meanwhile is in the next one. */
export const PICTURE_MS = SECOND_MS / 4

/** Dates that the dashboards of a clinic show at once: each is read once, for all of them. */
export const DATES_MAX = 20

/** Each wakes the object, and a subscription costs a picture. */
export const MESSAGES_PER_MINUTE_MAX = 120

/**
 * Stored with the socket. `date`: what it shows; null: nothing. `sent`: from what the last picture was made.
 * The view `desk` shows all of a patient, and `board` the name alone. `minute`: in which `messages` came.
 */
interface Seat extends Follower {
  date: string | null
  sent: string | null
  minute: number
}

/**
 * A date that dashboards show. `paintedAt`: when the last picture went out, on the clock of `performance`.
 */
interface Shown {
  reader: DaysReader
  paintedAt: number
  isPainting: boolean
}

/**
 * The sockets of the older service's dashboards, one object for each clinic. A dashboard names its date after
 * it is connected, and may change it. It always gets the whole picture of a date, so nothing has to be
 * remembered about it but what it has seen last: after an eviction, and after each hint, those that are
 * behind get the next.
 */
export class Dashboard extends DurableObject<Env> {
  readonly #dates = new Map<string, Shown>()
  readonly #patients = knownPatients(this.env.DB)
  readonly #keys = revocations(this.ctx, this.env.DB, (instant) => this.#arm(instant))
  #isWatching = false

  /** Opens a socket. The Worker has authenticated the caller, or passes on the caller’s ticket. */
  override async fetch(request: Request): Promise<Response> {
    const admitted = admittedBy(this.ctx, followRequestOf(request), dashboardKey)
    if (!admitted || (await this.#keys.isRevoked(admitted.keyId))) return refusal('unauthenticated')
    const seat = { ...admitted, seq: null, messages: 0, minute: 0, date: null, sent: null }
    const answer = admit<Seat>(this.ctx, null, seat)
    this.#arm(this.#keys.dueAt())
    return answer
  }

  async issueTicket(
    operation: { id: string; actor: string },
    ticket: tickets.HashedTicket,
  ): Promise<tickets.IssueOutcome> {
    return tickets.issue(this.ctx.storage, operation, ticket, Date.now())
  }

  override webSocketMessage(socket: WebSocket, text: string | ArrayBuffer): void {
    const seat = this.#counted(socket)
    if (!seat) return
    const wanted = readRequest(text)
    if ('error' in wanted) say(socket, wanted)
    else if (wanted.action === 'ping') say(socket, { type: 'pong', timestamp: iso(Date.now()) })
    else if (wanted.action === 'subscribe') this.#subscribe(socket, seat, wanted.date)
    else {
      socket.serializeAttachment({ ...seat, date: null, sent: null })
      say(socket, { type: 'unsubscribed', message: 'Unsubscribed from queue updates' })
    }
  }

  override webSocketClose(...closed: Closed): void {
    closeBack(...closed)
  }

  /** The day of this doctor has new events. The day does not wait for what follows. */
  async hint(doctorId: string, date: string): Promise<void> {
    this.#dates.get(date)?.reader.expect(doctorId)
    if (this.#dates.has(date)) this.ctx.waitUntil(this.#refresh(date))
    this.#watch()
  }

  /** Closes the sockets of revoked keys, and goes on after an eviction. Never throws. */
  override async alarm(): Promise<void> {
    await this.#keys.closeRevoked()
    this.#watch()
  }

  #seats(): [WebSocket, Seat][] {
    return openFollowers(this.ctx, Date.now()) as [WebSocket, Seat][]
  }

  #subscribe(socket: WebSocket, seat: Seat, date: string): void {
    const dates = this.#shownDates()
    if (dates.length >= DATES_MAX && !dates.includes(date)) {
      say(socket, { error: TOO_MANY_DATES })
      return
    }
    socket.serializeAttachment({ ...seat, date, sent: null })
    this.#watch()
    this.ctx.waitUntil(this.#refresh(date, { isPoll: true }))
  }

  /** Null where the socket has sent too much, and is closed. */
  #counted(socket: WebSocket): Seat | null {
    const seat = socket.deserializeAttachment() as Seat
    const minute = Math.floor(Date.now() / MINUTE_MS)
    const messages = seat.minute === minute ? seat.messages + 1 : 1
    if (messages > MESSAGES_PER_MINUTE_MAX) {
      close(socket, CLOSE_CODES.tooManyMessages, `At most ${MESSAGES_PER_MINUTE_MAX} messages a minute`)
      return null
    }
    const counted = { ...seat, minute, messages }
    socket.serializeAttachment(counted)
    return counted
  }

  /** Reads the dates until no dashboard shows one: one loop at a time. */
  #watch(): void {
    if (this.#isWatching || this.#shownDates().length === 0) return
    this.#isWatching = true
    this.ctx.waitUntil(this.#untilAlone())
  }

  #shownDates(): string[] {
    return [...new Set(this.#seats().flatMap(([, { date }]) => date ?? []))]
  }

  async #untilAlone(): Promise<void> {
    for (let dates = this.#shownDates(); dates.length > 0; dates = this.#shownDates()) {
      for (const date of this.#dates.keys()) if (!dates.includes(date)) this.#dates.delete(date)
      await Promise.all(dates.map((date) => this.#refresh(date, { isPoll: true })))
      await scheduler.wait(POLL_MS)
    }
    this.#isWatching = false
    this.#dates.clear()
    this.#patients.forget()
  }

  async #refresh(date: string, wanted: { isPoll?: boolean } = {}): Promise<void> {
    await this.#shownOf(date)?.reader.catchUp(wanted)
    await this.#paint(date)
  }

  #shownOf(date: string): Shown | undefined {
    const clinicId = this.#seats()[0]?.[1].clinicId
    if (this.#dates.has(date) || clinicId === undefined) return this.#dates.get(date)
    const listener = { binding: 'DASHBOARD', name: this.ctx.id.name ?? '' } as const
    const reader = daysReader({ env: this.env, clinicId, date, listener })
    const shown = { reader, paintedAt: Number.NEGATIVE_INFINITY, isPainting: false }
    this.#dates.set(date, shown)
    return shown
  }

  /** One at a time, and as long as a dashboard of the date is behind. Never throws. */
  async #paint(date: string): Promise<void> {
    const shown = this.#dates.get(date)
    if (!shown || shown.isPainting || !shown.reader.isListed()) return
    shown.isPainting = true
    try {
      while (this.#behind(date, shown).length > 0) {
        const rest = Math.min(shown.paintedAt + PICTURE_MS - performance.now(), PICTURE_MS)
        if (rest > 0) await scheduler.wait(rest)
        const clinicId = this.#seats()[0]?.[1].clinicId ?? ''
        const missing = () => this.#patients.missing([...shown.reader.days.values()])
        for (let ids = missing(); ids.length > 0; ids = missing()) await this.#patients.load(clinicId, ids)
        this.#send(date, shown)
        shown.paintedAt = performance.now()
      }
    } catch (error) {
      logFailure('dashboard_failed', error, { date })
    } finally {
      shown.isPainting = false
    }
  }

  #behind(date: string, { reader }: Shown): [WebSocket, Seat][] {
    const state = stateOf([...reader.days.values()])
    return this.#seats().filter(([, seat]) => seat.date === date && seat.sent !== state)
  }

  /** Without an `await`: what is stored as sent is what was sent. */
  #send(date: string, shown: Shown): void {
    const days = [...shown.reader.days.values()]
    const sent = stateOf(days)
    const pictures = new Map<boolean, Picture>()
    for (const [socket, seat] of this.#behind(date, shown)) {
      const hasPatients = seat.view === 'desk'
      const facts = { date, days, hasPatients, patients: this.#patients.known, doctorOf: doctorOf(shown) }
      const data = pictures.get(hasPatients) ?? pictureOf(facts, Date.now())
      pictures.set(hasPatients, data)
      socket.serializeAttachment({ ...seat, sent })
      say(socket, { type: seat.sent === null ? 'snapshot' : 'update', data })
    }
  }

  #arm(at: number): void {
    if (at < Number.POSITIVE_INFINITY) void this.ctx.storage.setAlarm(at)
  }
}

const TOO_MANY_DATES =
  'Too many dates are shown at once by the dashboards of this clinic; unsubscribe from one'

const doctorOf =
  ({ reader }: Shown) =>
  (id: string) => {
    const { name, code, specialty } = reader.doctors.get(id) ?? { name: '', code: '', specialty: null }
    return { id, name, code, specialty }
  }

/** A socket that fails affects no other one. */
function say(socket: WebSocket, message: DashboardMessage): void {
  try {
    socket.send(JSON.stringify(message))
  } catch {
    close(socket, CLOSE_CODES.failed, RECONNECT)
  }
}
