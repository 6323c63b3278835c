import { sha256 } from '../../lib/crypto'
import type { Known } from '../commands'
import type { Recorded } from '../state/event'
import { readEvent, written } from '../state/versions'
import { type Keyring, signatureOf } from './seal'

/** The log of one day, its head, and the position of each of its readers. */

type EventRow = { seq: number; at: number; actor: string; body: string; hash: string }

/**
 * The last event ever appended (0 on a day that only remembers an answer) and the number of remembered
 * replies. It is stored apart from the events, so that `verify` notices when the last event is missing; and
 * it is signed, so that whoever changes the file cannot make a head that fits.
 */
export type Head = { seq: number; hash: string; replies: number; mac: string }

/** What a signature of the head covers. The hash covers all events. */
export const signedOf = ({ seq, hash, replies }: Omit<Head, 'mac'>): unknown[] => ['head', seq, hash, replies]

/** Undefined: it was deleted, because an open day always has a head. */
export const headOf = (sql: SqlStorage): Head | undefined =>
  sql.exec<Head>('SELECT seq, hash, replies, mac FROM head').toArray()[0]

const toRecorded = ({ seq, at, actor, body }: EventRow): Recorded => ({
  ...readEvent(body),
  seq,
  at,
  actor,
})

/** Events after `after`, at most `max` of them, oldest first, one at a time. */
export function* readEvents(sql: SqlStorage, after = 0, max = -1): Generator<Recorded> {
  const rows = sql.exec<EventRow>('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?', after, max)
  for (const row of rows) yield toRecorded(row)
}

/**
 * Appends events, and signs the new head. Each hash covers the previous one. Returns the newest. Call it
 * within a transaction.
 */
export function append(sql: SqlStorage, keys: Keyring, events: Recorded[], addedReplies: number): string {
  let head = headOf(sql) ?? { seq: 0, hash: '', replies: 0 }
  for (const { seq, at, actor, ...event } of events) {
    const row = { seq, at, actor, body: written(event) }
    const hash = hashOf(head.hash, row)
    sql.exec('INSERT INTO events VALUES (?, ?, ?, ?, ?)', seq, at, actor, row.body, hash)
    head = { ...head, seq, hash }
  }
  setHead(sql, keys, { ...head, replies: head.replies + addedReplies })
  return head.hash
}

export const setHead = (sql: SqlStorage, keys: Keyring, head: Omit<Head, 'mac'>): void => {
  const { seq, hash, replies } = head
  const mac = signatureOf(keys, signedOf(head))
  sql.exec(
    'INSERT OR REPLACE INTO head (one, seq, hash, replies, mac) VALUES (1, ?, ?, ?, ?)',
    ...[seq, hash, replies, mac],
  )
}

const hashOf = (previous: string, { seq, at, actor, body }: Omit<EventRow, 'hash'>): string =>
  sha256(JSON.stringify([previous, seq, at, actor, body]))

/** The hash of the event with this number; undefined where there is none. */
export const hashAt = (sql: SqlStorage, seq: number): string | undefined =>
  sql.exec<{ hash: string }>('SELECT hash FROM events WHERE seq = ?', seq).toArray()[0]?.hash

/** What D1 has to know of a log up to this event. */
export const knownAt = (sql: SqlStorage, version: number): Known => ({
  version,
  head: hashAt(sql, version) ?? null,
})

/**
 * Computes every hash again from the stored rows. Returns the first event that was changed, deleted or
 * inserted, or null. `visit` gets each event before it.
 */
export function firstBroken(sql: SqlStorage, visit?: (event: Recorded) => void): number | null {
  const { seq: count, hash: last } = headOf(sql) ?? { seq: 0, hash: undefined }
  let [previous, seq] = ['', 1]
  for (const row of sql.exec<EventRow>(
    'SELECT * FROM events WHERE seq BETWEEN 1 AND ? ORDER BY seq',
    count,
  )) {
    if (row.seq !== seq || row.hash !== hashOf(previous, row)) return seq
    visit?.(toRecorded(row))
    previous = row.hash
    seq += 1
  }
  if (seq <= count) return seq
  return previous === last ? firstUnknown(sql, count) : Math.max(count, 1)
}

/** The first row that `append` has not written. */
const firstUnknown = (sql: SqlStorage, count: number): number | null =>
  sql
    .exec<{ seq: number }>('SELECT seq FROM events WHERE seq NOT BETWEEN 1 AND ? ORDER BY seq LIMIT 1', count)
    .toArray()[0]?.seq ?? null

/** The last event that a reader has processed; 0 before the first. */
export const readerPosition = (sql: SqlStorage, name: string): number =>
  sql.exec<{ seq: number }>('SELECT seq FROM readers WHERE name = ?', name).toArray()[0]?.seq ?? 0

export const setReaderPosition = (sql: SqlStorage, name: string, seq: number): void => {
  sql.exec('INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq', name, seq)
}
