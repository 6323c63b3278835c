import { sha256 } from '../../lib/crypto'
import type { Recorded } from '../state/day'
import { readEvent, written } from '../state/versions'

/**
 * The storage of one day: its events, the replies to its operations, and the position of each reader of the
 * log. The first write creates the tables: reading an unused day stores nothing. Each entry brings the tables
 * of the version before it one version further; an entry never changes, because it has run on some days.
 */
const MIGRATIONS = [
  `CREATE TABLE _schema (version INTEGER NOT NULL);
   INSERT INTO _schema VALUES (0);
   CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
     hash TEXT NOT NULL);
   CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL);
   INSERT INTO head VALUES (1, 0, '');
   CREATE TABLE ops (op_id TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE readers (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;`,
]

type EventRow = { seq: number; at: number; actor: string; body: string; hash: string }

/**
 * The last event ever appended; 0 on a day that only remembers an answer. It is stored apart from the events,
 * so that `verify` notices when the last event is missing.
 */
type Head = { seq: number; hash: string }

/** `badSeq`: the first event whose row was changed, deleted or inserted. */
export type Verdict =
  | { ok: true; head: string | null; count: number }
  | { ok: false; head: string | null; count: number; badSeq: number }

export const isOpen = (sql: SqlStorage): boolean =>
  sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_schema'`).toArray().length > 0

/** The version of the tables; 0 on an unused day. */
const versionOf = (sql: SqlStorage): number =>
  isOpen(sql) ? sql.exec<{ version: number }>('SELECT version FROM _schema').one().version : 0

/** A newer version of the service has changed the tables, so this one must not write to them. */
export const isNewer = (sql: SqlStorage): boolean => versionOf(sql) > MIGRATIONS.length

/** Creates the tables, or brings them up to date. Call it within a transaction. */
export function migrate(sql: SqlStorage): void {
  const version = versionOf(sql)
  if (version >= MIGRATIONS.length) return
  for (const migration of MIGRATIONS.slice(version)) sql.exec(migration)
  sql.exec('UPDATE _schema SET version = ?', MIGRATIONS.length)
}

/** Events after `after`, at most `max` of them, oldest first. */
export const readEvents = (sql: SqlStorage, after = 0, max = -1): Recorded[] =>
  sql
    .exec<EventRow>('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?', after, max)
    .toArray()
    .map(({ seq, at, actor, body }) => ({ ...readEvent(body), seq, at, actor }))

/** Appends one event. Its hash covers the previous one, so `verify` finds changed, deleted and moved rows. */
export function append(sql: SqlStorage, { seq, at, actor, ...event }: Recorded): void {
  const row = { seq, at, actor, body: written(event) }
  const hash = hashOf(headOf(sql)?.hash ?? '', row)
  sql.exec('INSERT INTO events VALUES (?, ?, ?, ?, ?)', seq, at, actor, row.body, hash)
  sql.exec('INSERT OR REPLACE INTO head VALUES (1, ?, ?)', seq, hash)
}

const hashOf = (previous: string, { seq, at, actor, body }: Omit<EventRow, 'hash'>): string =>
  sha256(JSON.stringify([previous, seq, at, actor, body]))

const headOf = (sql: SqlStorage): Head | undefined =>
  sql.exec<Head>('SELECT seq, hash FROM head').toArray()[0]

/** Computes every hash again from the stored rows, and uses nothing from memory. */
export function verify(sql: SqlStorage): Verdict {
  if (!isOpen(sql)) return { ok: true, head: null, count: 0 }
  const head = headOf(sql)
  const count = head?.seq ?? 0
  const badSeq = firstBroken(sql, count, head?.hash) ?? firstUnknown(sql, count)
  const facts = { head: head?.hash || null, count }
  return badSeq === null ? { ok: true, ...facts } : { ok: false, ...facts, badSeq }
}

function firstBroken(sql: SqlStorage, count: number, head: string | undefined): number | null {
  let [previous, seq] = ['', 1]
  for (const row of sql.exec<EventRow>(
    'SELECT * FROM events WHERE seq BETWEEN 1 AND ? ORDER BY seq',
    count,
  )) {
    if (row.seq !== seq || row.hash !== hashOf(previous, row)) return seq
    previous = row.hash
    seq += 1
  }
  if (seq <= count) return seq
  // An open day always has a head, so a missing head was deleted.
  return previous === head ? null : Math.max(count, 1)
}

/** The first row that `append` has not written. */
const firstUnknown = (sql: SqlStorage, count: number): number | null =>
  sql
    .exec<{ seq: number }>('SELECT seq FROM events WHERE seq NOT BETWEEN 1 AND ? ORDER BY seq LIMIT 1', count)
    .toArray()[0]?.seq ?? null

/** The remembered reply to an operation, as JSON. */
export const recallReply = (sql: SqlStorage, opId: string): string | undefined =>
  sql.exec<{ reply: string }>('SELECT reply FROM ops WHERE op_id = ?', opId).toArray()[0]?.reply

export const rememberReply = (sql: SqlStorage, opId: string, reply: string): void => {
  sql.exec('INSERT INTO ops VALUES (?, ?)', opId, reply)
}

/** The last event that a reader has processed; 0 before the first. */
export const readerPosition = (sql: SqlStorage, name: string): number =>
  sql.exec<{ seq: number }>('SELECT seq FROM readers WHERE name = ?', name).toArray()[0]?.seq ?? 0

export const setReaderPosition = (sql: SqlStorage, name: string, seq: number): void => {
  sql.exec('INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq', name, seq)
}
