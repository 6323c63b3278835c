/** Of the tables that this version of the service creates. */
const VERSION = 2

/**
 * The tables of one day: its events, their head, the replies to its operations, and the position of each
 * reader of the log. The first write creates them, in one call: reading an unused day stores nothing.
 */
const CREATE = `
  CREATE TABLE _schema (version INTEGER NOT NULL);
  INSERT INTO _schema VALUES (${VERSION});
  CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
    hash TEXT NOT NULL);
  CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL,
    replies INTEGER NOT NULL DEFAULT 0, mac TEXT NOT NULL DEFAULT '');
  CREATE TABLE ops (op_id TEXT PRIMARY KEY, reply TEXT NOT NULL, at INTEGER NOT NULL DEFAULT 0,
    mac TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
  CREATE TABLE readers (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;`

/**
 * Each entry brings the tables of days that an earlier version of the service created one version further,
 * to what CREATE creates. An entry never changes, because it has run on some days.
 */
const UPGRADES = [
  `ALTER TABLE head ADD COLUMN replies INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE head ADD COLUMN mac TEXT NOT NULL DEFAULT '';
   UPDATE head SET replies = (SELECT count(*) FROM ops);
   ALTER TABLE ops ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE ops ADD COLUMN mac TEXT NOT NULL DEFAULT '';`,
]

/** The first version whose head and replies are signed. */
export const SIGNED_SINCE = 2

const TABLES = 5

const tablesOf = (sql: SqlStorage): number =>
  sql
    .exec<{ tables: number }>(
      `SELECT count(*) AS tables FROM sqlite_master
       WHERE type = 'table' AND name IN ('_schema', 'events', 'head', 'ops', 'readers')`,
    )
    .one().tables

/** Whether the day was used. A day that lacks some of its tables was used, and is damaged. */
export const isOpen = (sql: SqlStorage): boolean => tablesOf(sql) > 0

export const hasAllTables = (sql: SqlStorage): boolean => tablesOf(sql) === TABLES

/** The version of the tables, where there are all of them. */
const versionOf = (sql: SqlStorage): number =>
  sql.exec<{ version: number }>('SELECT version FROM _schema').one().version

/** A newer version of the service has changed the tables, so this one must not write to them. */
export const isNewer = (sql: SqlStorage): boolean => versionOf(sql) > VERSION

/** Every day that was read is up to date; one that is not was set back. */
export const isOlder = (sql: SqlStorage): boolean => versionOf(sql) < VERSION

/** The tables of an unused day. Call it within a transaction that also sets the head of the log. */
export const createTables = (sql: SqlStorage): void => {
  sql.exec(CREATE)
}

/** Brings all tables up to date. Returns the version that they had. Call it within a transaction. */
export function migrate(sql: SqlStorage): number {
  const version = versionOf(sql)
  if (version >= VERSION) return version
  for (const upgrade of UPGRADES.slice(version - 1)) sql.exec(upgrade)
  sql.exec('UPDATE _schema SET version = ?', VERSION)
  return version
}
