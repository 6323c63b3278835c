import { DAY_MS, SECOND_MS } from '../../lib/time'

/**
 * Tickets let a browser follow one object for a short time, without an API key. They are not part of a day's
 * log, and the first ticket creates their table: a ticket changes neither the version nor the hash chain of
 * a day, and an unused day stays unused.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tickets (hash TEXT PRIMARY KEY, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL,
    clinic_id TEXT NOT NULL, view TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID
`

/** Enough for every screen and desk of a clinic, each restarted several times in a quarter of an hour. */
export const TICKETS_MAX = 1_000

/** Half of them: one key cannot keep the others from issuing tickets. */
export const TICKETS_PER_KEY_MAX = 500

/** As long as an Idempotency-Key is valid, so that a retry learns that its ticket was shown already. */
const REMEMBERED_MS = DAY_MS

/** `hash` is SHA-256 of the ticket, which only its holder has. `view`: what the ticket shows. */
export interface HashedTicket {
  hash: string
  clinicId: string
  view: string
  expiresAt: number
}

/** `full`: whose limit is reached; then the next ticket expires in so many seconds. */
export type IssueOutcome = 'issued' | 'key_shown_once' | { full: 'day' | 'key'; retryAfterSeconds: number }

type TicketRow = {
  hash: string
  op_id: string
  actor: string
  clinic_id: string
  view: string
  expires_at: number
}

/** Idempotent: the same ticket for the same operation is issued once. */
export const issue = (
  storage: DurableObjectStorage,
  operation: Issuer,
  ticket: HashedTicket,
  now: number,
): IssueOutcome => storage.transactionSync(() => issueIn(storage.sql, operation, ticket, now))

/** The operation that issues a ticket, and its API key. */
type Issuer = { id: string; actor: string }

function issueIn(
  sql: SqlStorage,
  operation: Issuer,
  { hash, clinicId, view, expiresAt }: HashedTicket,
  now: number,
): IssueOutcome {
  sql.exec(SCHEMA)
  sql.exec('DELETE FROM tickets WHERE expires_at <= ?', now - REMEMBERED_MS)
  const [known] = sql.exec<TicketRow>('SELECT * FROM tickets WHERE op_id = ?', operation.id).toArray()
  if (known) return known.hash === hash ? 'issued' : 'key_shown_once'
  const full = fullFor(sql, operation.actor, now)
  if (full) return full
  const { id, actor } = operation
  sql.exec('INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?)', hash, id, actor, clinicId, view, expiresAt)
  return 'issued'
}

function fullFor(sql: SqlStorage, actor: string, now: number): Exclude<IssueOutcome, string> | null {
  const { ofDay, ofKey, first, firstOfKey } = sql
    .exec<{ ofDay: number; ofKey: number; first: number | null; firstOfKey: number | null }>(
      `SELECT count(*) AS ofDay, count(*) FILTER (WHERE actor = ?1) AS ofKey,
        min(expires_at) AS first, min(expires_at) FILTER (WHERE actor = ?1) AS firstOfKey
       FROM tickets WHERE expires_at > ?2`,
      actor,
      now,
    )
    .one()
  const retryAt = (instant: number | null) => Math.ceil(((instant ?? now) - now) / SECOND_MS)
  if (ofKey >= TICKETS_PER_KEY_MAX) return { full: 'key', retryAfterSeconds: retryAt(firstOfKey) }
  return ofDay >= TICKETS_MAX ? { full: 'day', retryAfterSeconds: retryAt(first) } : null
}

/** The tickets that these keys issued are no longer valid. */
export function voidTickets(sql: SqlStorage, keyIds: string[], now: number): void {
  if (keyIds.length === 0 || !hasTickets(sql)) return
  sql.exec(
    'UPDATE tickets SET expires_at = ? WHERE expires_at > ? AND actor IN (SELECT value FROM json_each(?))',
    now,
    now,
    JSON.stringify(keyIds),
  )
}

/** The hash of the ticket that a caller sent, and the day and view that the caller wants. */
export interface PresentedTicket<Seen extends string = string> {
  ticket: string
  /** Empty for what is of no one doctor. */
  doctorId: string
  /** Empty for what is of no one date. */
  date: string
  /** Undefined: the view that the ticket was issued for. */
  view: Seen | undefined
}

/**
 * The clinic and view that the ticket opens, and the key that issued it; or null. The caller compares the
 * address. The look-up key is a digest, so the time it takes reveals nothing about any ticket. Where there
 * are no tickets this writes nothing.
 */
export function redeem<Seen extends string>(
  sql: SqlStorage,
  { ticket, view }: Pick<PresentedTicket<Seen>, 'ticket' | 'view'>,
  now: number,
): { clinicId: string; keyId: string; view: Seen } | null {
  if (!hasTickets(sql)) return null
  const [found] = sql
    .exec<TicketRow>('SELECT * FROM tickets WHERE hash = ? AND expires_at > ?', ticket, now)
    .toArray()
  if (!found) return null
  const isWider = view === 'desk' && found.view === 'board'
  return isWider
    ? null
    : { clinicId: found.clinic_id, keyId: found.actor, view: view ?? (found.view as Seen) }
}

const hasTickets = (sql: SqlStorage): boolean =>
  sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tickets'`).toArray().length > 0
