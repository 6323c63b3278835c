import { DAY_MS, endOf } from '../../lib/time'
import type { Day } from '../state/day'
import type { Recorded } from '../state/event'
import { append, headOf, setHead } from './log'
import { type Keyring, sealOf, signatureOf } from './seal'
import { isOpen } from './tables'

/** The replies to the operations of a day, as JSON: a retry gets the reply to the first try. */

/** As long as an Idempotency-Key is valid: after that no retry asks for a reply. */
export const REMEMBERED_MS = DAY_MS

/** Replies that a day stores without an event, to callers with a key. Each event allows one more. */
const REPLIES_MAX = 40_000

/** The storage of a day, and the secrets of the deployment. */
interface Signed {
  sql: SqlStorage
  keys: Keyring
}

/** The reply to an operation, as JSON. */
export type Remembered = [opId: string, reply: string]

/** `at`: when the reply was given, in epoch milliseconds. */
type ReplyRow = { op_id: string; reply: string; at: number; mac: string }

const signedOf = ({ op_id, reply, at }: Omit<ReplyRow, 'mac'>): unknown[] => ['reply', op_id, reply, at]

/**
 * Appends the events, remembers the reply, and signs both. Returns the hash of the newest event. Call it
 * within a transaction.
 */
export function record(
  { sql, keys }: Signed,
  events: Recorded[],
  remembered: Remembered | null,
  at: number,
): string {
  if (remembered) {
    const [op_id, reply] = remembered
    const mac = signatureOf(keys, signedOf({ op_id, reply, at }))
    sql.exec('INSERT INTO ops (op_id, reply, at, mac) VALUES (?, ?, ?, ?)', op_id, reply, at, mac)
  }
  return append(sql, keys, events, remembered ? 1 : 0)
}

/** The reply to an operation; `changed` where no secret of the deployment signed it. */
export function recall({ sql, keys }: Signed, opId: string): { reply: string } | 'changed' | null {
  const [row] = sql.exec<ReplyRow>('SELECT * FROM ops WHERE op_id = ?', opId).toArray()
  if (!row) return null
  return sealOf(keys, signedOf(row), row.mac) === 'none' ? 'changed' : { reply: row.reply }
}

/** Whether the day can remember no further reply that comes without an event. */
export const isFull = (sql: SqlStorage): boolean => isOpen(sql) && (headOf(sql)?.replies ?? 0) >= REPLIES_MAX

/** Whether a reply was changed, added or removed. */
export function isChanged(sql: SqlStorage, keys: Keyring): boolean {
  let count = 0
  for (const row of sql.exec<ReplyRow>('SELECT * FROM ops')) {
    if (sealOf(keys, signedOf(row), row.mac) === 'none') return true
    count += 1
  }
  return count !== headOf(sql)?.replies
}

/** Replies older than the signatures get one. Their true age is unknown: they count as given now. */
export function signAll(sql: SqlStorage, keys: Keyring, now: number): void {
  for (const row of sql.exec<ReplyRow>('SELECT * FROM ops').toArray())
    setSignature(sql, keys, { ...row, at: now })
}

/** Signs again what a secret signed that is being replaced. */
export function signAgain(sql: SqlStorage, keys: Keyring): void {
  for (const row of sql.exec<ReplyRow>('SELECT * FROM ops').toArray())
    if (sealOf(keys, signedOf(row), row.mac) === 'earlier') setSignature(sql, keys, row)
}

const setSignature = (sql: SqlStorage, keys: Keyring, row: ReplyRow): void => {
  const mac = signatureOf(keys, signedOf(row))
  sql.exec('UPDATE ops SET at = ?, mac = ? WHERE op_id = ?', row.at, mac, row.op_id)
}

/**
 * When the alarm removes replies: a day after the end of the date, and no reply younger than a day. Before
 * that end it reads nothing: each used day has a reply, and none is younger than the end.
 */
export function sweepAt(sql: SqlStorage, { identity, timeZone }: Day, now: number): number {
  const end = identity ? endOf(identity.date, timeZone) : 0
  if (now <= end) return end + REMEMBERED_MS
  const { oldest } = sql.exec<{ oldest: number | null }>('SELECT min(at) AS oldest FROM ops').one()
  return oldest === null ? Number.POSITIVE_INFINITY : Math.max(end, oldest) + REMEMBERED_MS
}

/** Removes the replies that no retry asks for any more. Call it within a transaction. */
export function sweep({ sql, keys }: Signed, now: number): void {
  const head = headOf(sql)
  if (!head) return
  sql.exec('DELETE FROM ops WHERE at <= ?', now - REMEMBERED_MS)
  const { count } = sql.exec<{ count: number }>('SELECT count(*) AS count FROM ops').one()
  setHead(sql, keys, { ...head, replies: count })
}
