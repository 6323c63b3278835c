/**
 * The tables of one day: its events, their head, the replies to its operations, and the position of each
 * reader of the log. The first write creates them: reading an unused day stores nothing. Each entry brings
 * the tables of the version before it one version further; an entry never changes, because it has run on
 * some days.
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
  `ALTER TABLE head ADD COLUMN replies INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE head ADD COLUMN mac TEXT NOT NULL DEFAULT '';
   UPDATE head SET replies = (SELECT count(*) FROM ops);
   ALTER TABLE ops ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE ops ADD COLUMN mac TEXT NOT NULL DEFAULT '';`,
]

/** The first version whose head and replies are signed. */
export const SIGNED_SINCE = 2

const TABLES = ['_schema', 'events', 'head', 'ops', 'readers']

const tablesOf = (sql: SqlStorage): number =>
  sql
    .exec<{ tables: number }>(
      `SELECT count(*) AS tables FROM sqlite_master
       WHERE type = 'table' AND name IN (SELECT value FROM json_each(?))`,
      JSON.stringify(TABLES),
    )
    .one().tables

/** Whether the day was used. A day that lacks some of its tables was used, and is damaged. */
export const isOpen = (sql: SqlStorage): boolean => tablesOf(sql) > 0

export const hasAllTables = (sql: SqlStorage): boolean => tablesOf(sql) === TABLES.length

/** The version of the tables; 0 on an unused day. */
const versionOf = (sql: SqlStorage): number =>
  isOpen(sql) ? sql.exec<{ version: number }>('SELECT version FROM _schema').one().version : 0

/** A newer version of the service has changed the tables, so this one must not write to them. */
export const isNewer = (sql: SqlStorage): boolean => versionOf(sql) > MIGRATIONS.length

/** Every day that was read is up to date; one that is not was set back. */
export const isOlder = (sql: SqlStorage): boolean => versionOf(sql) < MIGRATIONS.length

/**
 * Creates the tables, or brings them up to date. Returns the version that they had. Call it within a
 * transaction.
 */
export function migrate(sql: SqlStorage): number {
  const version = versionOf(sql)
  if (version >= MIGRATIONS.length) return version
  for (const migration of MIGRATIONS.slice(version)) sql.exec(migration)
  sql.exec('UPDATE _schema SET version = ?', MIGRATIONS.length)
  return version
}
