import { DurableObject } from 'cloudflare:workers'
import { SECOND_MS } from '../lib/time'
import type { Entry, Kind } from './kind'
import { type Outcome, sendLot } from './lot'
import { waiting } from './waiting'

const LIMITS = {
  /** A larger lot would make the requests of other clinics wait longer. */
  lotEntriesMax: 100,
  /** D1 refuses a parameter of 2 MB; a character has up to 3 bytes in it. */
  lotBytesMax: 600_000,
  clinicEntriesMax: 1_000,
  bytesMax: 32_000_000,
}

/** What waits longer is not sent: its caller has given up, or will before D1 answers. */
const WAIT_MS_MAX = 5 * SECOND_MS

interface Item {
  clinicId: string
  bytes: number
  entry: Entry
  since: number
  tell(outcome: Outcome): void
}

/**
 * D1 runs one batch at a time, so one is sent at a time: what requests ask of D1 meanwhile is the next lot.
 * There is one object for each lane of a database: see `client.ts`. It stores nothing. A request that it
 * loses is repeated by its caller, with the same operation id, and takes effect once.
 */
export const recorderOf = (...kinds: Kind[]) => {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  return class extends DurableObject<Env> {
    readonly #waiting = waiting<Item>(LIMITS)
    #isSending = false

    /** Never throws. */
    record(entry: Entry): Promise<Outcome> {
      return new Promise((tell) => {
        const item = { clinicId: entry.clinicId, bytes: entry.row.length, entry, since: Date.now(), tell }
        if (!this.#waiting.add(item)) tell({ failed: 'busy' })
        else if (!this.#isSending) this.ctx.waitUntil(this.#sendAll())
      })
    }

    async #sendAll(): Promise<void> {
      this.#isSending = true
      for (;;) {
        const lot = this.#waiting.take()
        if (lot.length === 0) break
        const sinceMin = Date.now() - WAIT_MS_MAX
        const timely = lot.filter(({ since, tell }) => since >= sinceMin || tell({ failed: 'busy' }))
        const entries = timely.map(({ entry }) => entry)
        const outcomes = await sendLot(this.env.DB, byName, entries)
        for (const [place, { tell }] of timely.entries()) tell(outcomes[place] ?? { failed: 'rejected' })
      }
      this.#isSending = false
    }
  }
}
