import { DurableObject } from 'cloudflare:workers'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { type Asked, askedDays } from './asked-days'
import { type Entry, type Kind, leadsOf } from './kind'
import { type Outcome, sendLot } from './lot'
import { waiting } from './waiting'

const LIMITS = {
  /** A larger lot would make the requests of other clinics wait longer. */
  lotEntriesMax: 100,
  /** D1 refuses a parameter of 2 MB; a character has up to 3 bytes in it. */
  lotBytesMax: 600_000,
  clinicEntriesMax: 1_000,
  clinicBytesMax: 4_000_000,
  /** All lanes can be in one isolate, which has 128 MB; a character takes up to 2 bytes there. */
  bytesMax: 8_000_000,
}

/** What waits longer is not sent: its caller has given up, or will before D1 answers. */
const WAIT_MS_MAX = 5 * SECOND_MS

/** Far longer than D1 may take, halves of a lot included. */
const LOST_AFTER_MS = MINUTE_MS

/** After a lot that took at least this long, the lane pauses, so that the thread can serve other requests. */
const LONG_LOT_MS = 10

interface Item {
  clinicId: string
  bytes: number
  entry: Entry
  since: number
  tell(outcome: Outcome): void
}

const sizeOf = ({ row, long = '' }: Entry): number => row.length + long.length

/**
 * D1 runs one batch at a time, so one is sent at a time: what requests ask of D1 meanwhile is the next lot.
 * There is one object for each lane of a database: see `client.ts`. It stores nothing. A request that it
 * loses is repeated by its caller, with the same operation id, and takes effect once.
 */
export const recorderOf = (...kinds: Kind[]) => {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  return class extends DurableObject<Env> {
    readonly #waiting = waiting<Item>(LIMITS)
    readonly #asked = askedDays()
    /** When the batch under way was sent, on the clock that never jumps; null where none is. */
    #sentAt: number | null = null

    /** Never throws. While a deployment replaces another, a newer Worker may send an unknown kind. */
    async record(entry: Entry): Promise<Outcome> {
      const kind = byName.get(entry.kind)
      if (!kind) return { failed: 'outage' }
      const leads = leadsOf(kind, entry)
      if (leads) this.#asked.note(entry.clinicId, leads, Date.now())
      return new Promise((tell) => {
        const item = { clinicId: entry.clinicId, bytes: sizeOf(entry), entry, since: performance.now(), tell }
        if (!this.#waiting.add(item)) tell({ failed: 'busy' })
        else if (this.#isFree()) this.ctx.waitUntil(this.#sendAll())
      })
    }

    /** The days of which D1’s copy may lag behind what this patient’s callers know. */
    asked(clinicId: string, patientId: string): Asked {
      return this.#asked.of(clinicId, patientId, Date.now())
    }

    /** A batch that the platform has lost must not hold up the lane for good. */
    #isFree(): boolean {
      return this.#sentAt === null || performance.now() - this.#sentAt > LOST_AFTER_MS
    }

    async #sendAll(): Promise<void> {
      for (let lot = this.#waiting.take(); lot.length > 0; lot = this.#waiting.take()) {
        const sentAt = performance.now()
        this.#sentAt = sentAt
        await this.#send(lot, sentAt)
        if (this.#sentAt !== sentAt) return
        // Where D1 runs in this thread, no request is read from its socket between lots that follow at once.
        if (performance.now() - sentAt >= LONG_LOT_MS) await scheduler.wait(0)
      }
      this.#sentAt = null
    }

    async #send(lot: Item[], now: number): Promise<void> {
      const timely = lot.filter(({ since, tell }) => now - since <= WAIT_MS_MAX || tell({ failed: 'busy' }))
      const entries = timely.map(({ entry }) => entry)
      const outcomes = await sendLot(this.env.DB, byName, entries)
      for (const [place, { tell }] of timely.entries()) tell(outcomes[place] ?? { failed: 'rejected' })
    }
  }
}
