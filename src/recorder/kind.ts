import type { Leads } from './asked-days'
import { claimIf, OPERATION } from './claims'

/**
 * One thing that requests ask of D1, in statements that treat all requests of a lot together. To store one
 * record is to store a lot of one.
 */
export interface Kind<Fields extends readonly unknown[] = readonly unknown[], Result = unknown> {
  readonly name: string
  /**
   * `?1` of each is all entries of this kind in the lot, a JSON array of arrays. `?2`, where a statement has
   * it, is the array of their long fields.
   */
  readonly statements: readonly string[]
  /** Claims the keys of the entries. */
  readonly claim: string
  /**
   * Without a key, its entries write nothing. Its statement answers a row for each entry, with the claim of
   * its key: `joinClaim`.
   */
  readonly onlyReads?: boolean
  /** Whether the last field is a long JSON text. */
  readonly hasLong?: boolean
  /** What its fields tell of the day that the request leads to. */
  leads?(fields: unknown[]): Partial<Record<keyof Leads, unknown>>
  /** What became of one entry: for each statement, the rows that it returned for this entry. */
  result(returned: readonly (readonly Row[])[]): Result
  /** Only a type. */
  readonly fields?: Fields
}

/** What a statement returns; `op` is the own operation of the entry that it belongs to. */
export type Row = { op: string } & Record<string, unknown>

/** The entries as tables of SQL, with the columns of the head and those of the kind. */
interface Tables {
  /** All entries; `asked` is their own operation. */
  sent: string
  /**
   * Those that may write: `op` is their own operation, or that of the request that has claimed their key. An
   * entry writes nothing where another request has the key, or where the key could not be claimed. Only
   * this table has the long field of an entry.
   */
  performed: string
}

const HEAD = ['asked', 'clinic', 'actor', 'at', 'request', 'key', 'fingerprint', 'expires']

/** `found`: SQL over `sent`. Where it is not true, the key stays free. */
export function kindOf<Fields extends readonly unknown[], Result>(kind: {
  name: string
  columns: readonly string[]
  /**
   * The column of the last field, a long JSON text, which is not sent in the row: SQLite would write and
   * parse it again for each column of the row.
   */
  long?: string
  onlyReads?: boolean
  leads?(fields: unknown[]): Partial<Record<keyof Leads, unknown>>
  found?: string
  statements(tables: Tables): string[]
  result(returned: readonly (readonly Row[])[]): Result
}): Kind<Fields, Result> {
  const columns = [...HEAD, ...kind.columns].map((name, place) => `value->>${place} AS "${name}"`).join(', ')
  const long = kind.long ? `, ?2->entries."key" AS "${kind.long}"` : ''
  const sent = `(SELECT entries."key" AS place, ${columns} FROM json_each(?1) AS entries) AS sent`
  // With a LIMIT, SQLite reads the key once and not wherever `op` is used.
  const performed = `(SELECT * FROM (SELECT ${OPERATION} AS op, entries."key" AS place, ${columns}${long}
    FROM json_each(?1) AS entries LIMIT -1) WHERE op IS NOT NULL) AS sent`
  return {
    name: kind.name,
    statements: kind.statements({ sent, performed }),
    claim: claimIf(sent, kind.found ?? 'true'),
    onlyReads: kind.onlyReads ?? false,
    result: kind.result,
    hasLong: kind.long !== undefined,
    ...(kind.leads && { leads: kind.leads }),
  }
}

/** The statement for a lot of one: D1 bills each row of `json_each` as a row read. */
export const forOne = (statement: string): string =>
  statement.replaceAll('json_each(?1)', `(SELECT 0 AS "key", ?1->0 AS value)`)

/** A key, and nothing else in D1. */
export const CLAIM = kindOf<[], null>({
  name: 'claim',
  columns: [],
  statements: () => [],
  result: () => null,
})

/** What an entry tells of the day that its request leads to. */
export function leadsOf(kind: Kind, { row }: Entry): Leads | null {
  if (!kind.leads) return null
  const told = kind.leads((JSON.parse(row) as unknown[]).slice(HEAD.length))
  const text = (field: keyof Leads): string | null => (told[field] as string | null | undefined) ?? null
  return {
    patientId: text('patientId'),
    doctorId: text('doctorId'),
    date: text('date'),
    appointmentId: text('appointmentId'),
    day: text('day'),
  }
}

/** What the Recorder gets of a request. */
export interface Entry {
  kind: string
  clinicId: string
  /** The id of the request's own operation. */
  op: string
  isKeyed: boolean
  /** The JSON array that the statements read. */
  row: string
  /** A long field, as JSON. */
  long?: string
}

/** The request that sends an entry, and its key. */
export interface Sender {
  opId: string
  clinicId: string
  keyId: string
  now: number
  requestId: string
  key: string | null
  fingerprint: string
  expiresAt: number
}

export function entryOf<Fields extends readonly unknown[]>(
  kind: Kind<Fields>,
  sender: Sender,
  fields: Fields,
): Entry {
  const { opId, clinicId, keyId, now, requestId, key, fingerprint, expiresAt } = sender
  const claim = key === null ? [null, null, null] : [key, fingerprint, expiresAt]
  const [short, [long]] = kind.hasLong ? [fields.slice(0, -1), fields.slice(-1)] : [fields, []]
  const row = JSON.stringify([opId, clinicId, keyId, now, requestId, ...claim, ...short])
  const entry = { kind: kind.name, clinicId, op: opId, isKeyed: key !== null, row }
  return long === undefined ? entry : { ...entry, long: long as string }
}
