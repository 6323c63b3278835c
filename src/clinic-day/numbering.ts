/**
 * The events of all days of a clinic on one date, as one row of numbers without a gap. Each day numbers its
 * own events; which of two days was read first is decided here, and stored, so that a number means the same
 * event after an eviction. A follower needs to know only the last number that it has, however many doctors
 * there are: the numbers are a cursor with a place for each doctor.
 *
 * The first number is the instant at which the numbering began, in epoch ms. There is less than one event a
 * millisecond, so a numbering that begins later, because this storage was lost, was swept or no longer fits
 * the logs, has no number of an earlier one: a follower of that one gets a snapshot.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS numbering (one INTEGER PRIMARY KEY CHECK (one = 1), clinic_id TEXT NOT NULL,
    date TEXT NOT NULL, base INTEGER NOT NULL, used_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS runs (first INTEGER PRIMARY KEY, doctor_id TEXT NOT NULL, log TEXT NOT NULL,
    after INTEGER NOT NULL, count INTEGER NOT NULL)`

type Identity = { clinicId: string; date: string }
type IdentityRow = { clinicId: string; date: string; base: number; usedAt: number }

/** `count` events of one day, behind its event `after`; `first`: the number of the first of them. */
type Run = { first: number; doctorId: string; log: string; after: number; count: number }

export interface Numbering {
  /** Null before the first follower or ticket. */
  identity(): Identity | null
  /** Stores whose days these are, and begins to number their events. */
  begin(identity: Identity, now: number): void
  /** The number before the first event, and that of the last one. */
  base(): number
  last(): number
  /** How many events of a doctor have a number, and of which log; null: none. */
  ofDoctor(doctorId: string): { count: number; log: string } | null
  doctorIds(): string[]
  append(doctorId: string, log: string, count: number): void
  /** The event behind a number: whose, and its number within its day. */
  eventAt(number: number): { doctorId: string; seq: number } | null
  /** Begins a new numbering. */
  restart(now: number): void
  /** Stores that there are followers, or a new ticket, until now; and when that was last. */
  use(now: number): void
  usedAt(): number
}

export function numbering(sql: SqlStorage): Numbering {
  let identity: Identity | null = null
  let base = 0
  let last = 0
  let usedAt = 0
  let runs: Run[] = []
  let doctors = new Map<string, { count: number; log: string }>()
  load()

  function load(): void {
    const isThere = sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'numbering'`).toArray().length > 0
    if (!isThere) return
    const [row] = sql
      .exec<IdentityRow>('SELECT clinic_id AS clinicId, date, base, used_at AS usedAt FROM numbering')
      .toArray()
    if (!row) return
    identity = { clinicId: row.clinicId, date: row.date }
    base = row.base
    last = base
    usedAt = row.usedAt
    const stored = sql.exec<Run>(
      'SELECT first, doctor_id AS doctorId, log, after, count FROM runs ORDER BY first',
    )
    for (const run of stored) add(run)
  }

  function add(run: Run): void {
    runs.push(run)
    last = run.first + run.count - 1
    doctors.set(run.doctorId, { count: run.after + run.count, log: run.log })
  }

  function write({ clinicId, date }: Identity, at: number): void {
    sql.exec('DELETE FROM runs')
    sql.exec('INSERT OR REPLACE INTO numbering VALUES (1, ?, ?, ?, ?)', clinicId, date, at, usedAt)
    identity = { clinicId, date }
    base = at
    last = at
    runs = []
    doctors = new Map()
  }

  return {
    identity: () => identity,
    begin(wanted, now) {
      if (identity) return
      usedAt = now
      for (const statement of SCHEMA.split(';')) sql.exec(statement)
      write(wanted, now)
    },
    base: () => base,
    last: () => last,
    ofDoctor: (doctorId) => doctors.get(doctorId) ?? null,
    doctorIds: () => [...doctors.keys()],
    append(doctorId, log, count) {
      const run = { first: last + 1, doctorId, log, after: doctors.get(doctorId)?.count ?? 0, count }
      sql.exec('INSERT INTO runs VALUES (?, ?, ?, ?, ?)', run.first, doctorId, log, run.after, count)
      add(run)
    },
    eventAt(number) {
      if (number <= base || number > last) return null
      const run = runs[lastAtMost(runs, number)]
      return run ? { doctorId: run.doctorId, seq: run.after + number - run.first + 1 } : null
    },
    restart(now) {
      if (identity) write(identity, Math.max(now, last + 1))
    },
    use(now) {
      usedAt = now
      if (identity) sql.exec('UPDATE numbering SET used_at = ?', now)
    },
    usedAt: () => usedAt,
  }
}

/** The place of the run that holds the number. */
function lastAtMost(runs: Run[], number: number): number {
  let [low, high] = [0, runs.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((runs[middle]?.first ?? 0) <= number) low = middle
    else high = middle - 1
  }
  return low
}
