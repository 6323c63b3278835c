import { logFailure } from '../lib/log'
import { isOutage, withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { type Claimed, READ_CLAIMS, SWEEP } from './claims'
import { type Entry, forOne, type Kind, type Row } from './kind'

/** `busy`: nothing was sent. `outage`: it may have been stored. `rejected`: it was not. */
export type Failed = 'busy' | 'outage' | 'rejected'

/** What became of an entry. `claimed` is null without a key, and where the key could not be claimed. */
export type Outcome = { claimed: Claimed | null; result: unknown } | { failed: Failed }

/**
 * A caller's request ends after 10 seconds, so that the lot after one that D1 does not answer can still be in
 * time. D1 may store the abandoned lot later.
 */
const LOT_MS_MAX = 4 * SECOND_MS

type Kinds = ReadonlyMap<string, Kind>

/**
 * Sends the entries to D1 as one batch, which is one transaction. If D1 refuses it, the two halves follow one
 * after the other, down to one entry: a bad one fails alone. If D1 cannot be reached, what only reads is
 * asked again by itself: D1 may still answer it while it refuses to write.
 */
export async function sendLot(db: D1Database, kinds: Kinds, entries: Entry[]): Promise<Outcome[]> {
  try {
    return await withTimeout(sendBatch(db, kinds, entries), LOT_MS_MAX)
  } catch (error) {
    if (isOutage(error)) return outage(db, kinds, entries, error)
    if (entries.length === 1) {
      logFailure('entry_rejected', error, { kind: entries[0]?.kind })
      return [{ failed: 'rejected' }]
    }
    const middle = Math.ceil(entries.length / 2)
    const first = await sendLot(db, kinds, entries.slice(0, middle))
    return [...first, ...(await sendLot(db, kinds, entries.slice(middle)))]
  }
}

async function outage(db: D1Database, kinds: Kinds, entries: Entry[], error: unknown): Promise<Outcome[]> {
  logFailure('lot_failed', error, { entries: entries.length })
  const reading = entries.filter(({ isKeyed, kind }) => !isKeyed && kinds.get(kind)?.onlyReads)
  if (reading.length === entries.length) return entries.map(() => ({ failed: 'outage' }))
  const answers = reading.length > 0 ? await sendLot(db, kinds, reading) : []
  const read = new Map(reading.map((entry, place) => [entry, answers[place]]))
  return entries.map((entry) => read.get(entry) ?? { failed: 'outage' })
}

async function sendBatch(db: D1Database, kinds: Kinds, entries: Entry[]): Promise<Outcome[]> {
  const groups = [...Map.groupBy(entries, ({ kind }) => kind)].map(([name, group]) =>
    groupOf(kinds, name, group),
  )
  const statements = groups.flatMap(({ json, long, sql }) =>
    sql.map((text) => db.prepare(text).bind(...(text.includes('?2') ? [json, long] : [json]))),
  )
  const answers = statements.length > 0 ? await db.batch<Row>(statements) : []
  const outcomes = new Map<string, Outcome>()
  let place = 0
  for (const { kind, sql, group, isKeyed } of groups) {
    const returned = answers.slice(place, place + sql.length).map(({ results }) => rowsByOp(results))
    place += sql.length
    const claims = isKeyed ? returned.at(-1) : undefined
    const first = isKeyed ? CLAIMING : 0
    const ofKind = returned.slice(first, first + kind.statements.length)
    for (const { op } of group) {
      const claimed = claimIn(claims?.get(op)?.[0])
      outcomes.set(op, { claimed, result: kind.result(ofKind.map((rows) => rows.get(op) ?? [])) })
    }
  }
  return entries.map(({ op }) => outcomes.get(op) ?? { failed: 'rejected' })
}

/** The statements before those of the kind, where there are keys. The last one of all reads the claims. */
const CLAIMING = 2

const claimIn = (row: Row | undefined): Claimed | null =>
  row && row.fingerprint !== null ? (row as unknown as Claimed) : null

function groupOf(kinds: Kinds, name: string, group: Entry[]) {
  const kind = kinds.get(name)
  if (!kind) throw new Error(`No kind is named ${name}`)
  const isKeyed = group.some((entry) => entry.isKeyed)
  const reading = kind.onlyReads ? [] : [READ_CLAIMS]
  const all = isKeyed ? [SWEEP, kind.claim, ...kind.statements, ...reading] : kind.statements
  const sql = group.length === 1 ? all.map(forOne) : all
  const json = arrayOf(group.map(({ row }) => row))
  return { kind, group, isKeyed, sql, json, long: arrayOf(group.map(({ long = 'null' }) => long)) }
}

const arrayOf = (elements: string[]): string => `[${elements.join(',')}]`

function rowsByOp(rows: Row[]): Map<string, Row[]> {
  const byOp = new Map<string, Row[]>()
  for (const row of rows) {
    const others = byOp.get(row.op)
    if (others) others.push(row)
    else byOp.set(row.op, [row])
  }
  return byOp
}
