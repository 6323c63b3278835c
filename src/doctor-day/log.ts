import { sha256 } from '../lib/crypto'
import type { Event, Recorded } from './day'

/**
 * The storage of one day: its events, the replies to its operations, and how far each reader of the log has
 * come. The tables are made by the first write: reading a day that nobody has touched leaves nothing behind.
 */
const SCHEMA_VERSION = 1
const SCHEMA = `
  CREATE TABLE _schema (version INTEGER NOT NULL);
  INSERT INTO _schema VALUES (${SCHEMA_VERSION});
  CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
    hash TEXT NOT NULL);
  CREATE TABLE ops (op_id TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE readers (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
`

type EventRow = { seq: number; at: number; actor: string; body: string; hash: string }

export const isOpen = (sql: SqlStorage): boolean =>
  sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_schema'`).toArray().length > 0

export const open = (sql: SqlStorage): void => {
  sql.exec(SCHEMA)
}

/** Events behind `after`, at most `max` of them, oldest first. */
export const readEvents = (sql: SqlStorage, after = 0, max = -1): Recorded[] =>
  sql
    .exec<EventRow>('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?', after, max)
    .toArray()
    .map(({ seq, at, actor, body }) => ({ ...(JSON.parse(body) as Event), seq, at, actor }))

/** Appends one event. Its hash covers the one before, so no row can be changed, dropped or swapped unseen. */
export function append(sql: SqlStorage, { seq, at, actor, ...event }: Recorded): void {
  const body = JSON.stringify(event)
  const [last] = sql.exec<{ hash: string }>('SELECT hash FROM events WHERE seq = ?', seq - 1).toArray()
  const hash = sha256(JSON.stringify([last?.hash ?? '', seq, at, actor, body]))
  sql.exec('INSERT INTO events VALUES (?, ?, ?, ?, ?)', seq, at, actor, body, hash)
}

/** The remembered reply to an operation, as it was written. */
export const recallReply = (sql: SqlStorage, opId: string): string | undefined =>
  sql.exec<{ reply: string }>('SELECT reply FROM ops WHERE op_id = ?', opId).toArray()[0]?.reply

export const rememberReply = (sql: SqlStorage, opId: string, reply: string): void => {
  sql.exec('INSERT INTO ops VALUES (?, ?)', opId, reply)
}

/** The last event a reader has dealt with; 0 before its first. */
export const readerAt = (sql: SqlStorage, name: string): number =>
  sql.exec<{ seq: number }>('SELECT seq FROM readers WHERE name = ?', name).toArray()[0]?.seq ?? 0

export const moveReader = (sql: SqlStorage, name: string, seq: number): void => {
  sql.exec('INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq', name, seq)
}
