import type { Known } from '../commands'
import type { Day, DayIdentity } from '../state/day'
import { emptyDay, evolve, fold } from '../state/fold'
import { dayKey } from './address'
import { firstBroken, hashAt, headOf, readEvents, setHead, signedOf } from './log'
import { isChanged, signAgain, signAll } from './replies'
import { type Keyring, sealOf } from './seal'
import { hasAllTables, isNewer, isOlder, isOpen, migrate, SIGNED_SINCE } from './tables'
import { areTextsWhole } from './texts'

/** Whether what a day stores is what the service has written. */

export const DAMAGES = [
  'event_changed',
  /** What is written of an appointment was changed or added, or removed without an event. */
  'text_changed',
  /** Tables are gone. */
  'tables_missing',
  /** No secret of the deployment has signed the head of the log. */
  'not_signed',
  /** A remembered reply was changed, added or removed. */
  'reply_changed',
  /** The log is that of another doctor or date. */
  'other_day',
  /** The file, or a row of it, cannot be read. */
  'unreadable',
  /** D1 has copied events that the log does not have: it was lost, or replaced by an older file. */
  'behind_copy',
  /** D1 has copied another event under the same number. */
  'differs_from_copy',
] as const
export type Damage = (typeof DAMAGES)[number]

/** `badSeq`: the first event whose row was changed, deleted or inserted. */
export type Verdict =
  | { ok: true; head: string | null; count: number }
  | { ok: false; head: string | null; count: number; reason: Damage; badSeq?: number }

/** The storage of a day, whose name is its key, and the secrets of the deployment. */
export interface Stored {
  sql: SqlStorage
  keys: Keyring
  name: string | undefined
}

export type Loaded = { ok: true; day: Day } | { ok: false; reason: Damage }

/**
 * Reads the whole log once: the fold of it, unless the storage is damaged. Signs what a secret signed that is
 * being replaced, and logs older than the signatures. Call it on a used day, within a transaction.
 */
export function load({ sql, keys, name }: Stored, now: number): Loaded {
  if (!hasAllTables(sql)) return { ok: false, reason: 'tables_missing' }
  if (isNewer(sql)) return { ok: true, day: { ...fold(readEvents(sql)), isNewer: true } }
  const isOlder = migrate(sql) < SIGNED_SINCE
  const day = emptyDay()
  if (firstBroken(sql, (event) => evolve(day, event)) !== null) return { ok: false, reason: 'event_changed' }
  if (!isOf(day.identity, name)) return { ok: false, reason: 'other_day' }
  const head = headOf(sql)
  const seal = head && !isOlder ? sealOf(keys, signedOf(head), head.mac) : 'none'
  if (!head || (seal === 'none' && !isOlder)) return { ok: false, reason: 'not_signed' }
  if (seal === 'current') return { ok: true, day }
  if (isOlder) signAll(sql, keys, now)
  else signAgain(sql, keys)
  setHead(sql, keys, head)
  return { ok: true, day }
}

const isOf = (identity: DayIdentity | null, name: string | undefined): boolean =>
  !identity || name === undefined || dayKey(identity.clinicId, identity.doctorId, identity.date) === name

/** Judges everything that is stored, and uses nothing from memory. */
export function verify({ sql, keys, name }: Stored, known: Known | null): Verdict {
  const apart = (): Damage | null => compare(sql, isOpen(sql), known)
  if (!isOpen(sql)) {
    const reason = apart()
    return reason ? { ok: false, head: null, count: 0, reason } : { ok: true, head: null, count: 0 }
  }
  if (!hasAllTables(sql) || isOlder(sql)) return { ok: false, head: null, count: 0, reason: 'tables_missing' }
  const head = headOf(sql)
  const facts = { head: head?.hash || null, count: head?.seq ?? 0 }
  const badSeq = firstBroken(sql)
  if (badSeq !== null) return { ok: false, ...facts, reason: 'event_changed', badSeq }
  if (isNewer(sql)) return { ok: true, ...facts }
  const isOwn = head && sealOf(keys, signedOf(head), head.mac) !== 'none'
  const reason =
    (!isOf(fold(readEvents(sql, 0, 1)).identity, name) && 'other_day') ||
    (!isOwn && 'not_signed') ||
    (isChanged(sql, keys) && 'reply_changed') ||
    (!areTextsWhole(sql, fold(readEvents(sql))) && 'text_changed') ||
    apart()
  return reason ? { ok: false, ...facts, reason } : { ok: true, ...facts }
}

/** D1 copies only what the log has. So a log with less, or with another event, is not the one it copied. */
export function compare(
  sql: SqlStorage,
  isUsed: boolean,
  known: Known | null,
): 'behind_copy' | 'differs_from_copy' | null {
  if (!known || known.version === 0) return null
  const hash = isUsed ? hashAt(sql, known.version) : undefined
  if (hash === undefined) return 'behind_copy'
  return known.head === null || known.head === hash ? null : 'differs_from_copy'
}
