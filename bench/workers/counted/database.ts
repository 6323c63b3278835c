import type { Begin, Charge } from './bindings'
import { delayed, turnAtD1 } from './distance'
import { awaited } from './tally'

const IS_SELECT = /^\s*select\b/i

type Ask = <Result extends D1Result | D1Result[]>(batch: () => Promise<Result>) => Promise<Result>

/** The real statement of each wrapper, because the real `batch` takes only real statements. */
const originals = new WeakMap<object, D1PreparedStatement>()

/** Runs a batch, and may note when it leaves for D1 and when it is back. */
export type Around = <Result>(batch: () => Promise<Result>) => Promise<Result>

export function countedDatabase(database: D1Database, begin: Begin, around: Around): D1Database {
  const ask: Ask = (batch) => around(() => roundTrip(begin, batch))
  const wrap = (statement: D1PreparedStatement, query: string): D1PreparedStatement =>
    countedStatement(statement, query, ask, wrap)
  const counted = {
    prepare: (query: string) => wrap(database.prepare(query), query),
    batch: async (statements: D1PreparedStatement[]) => {
      const results = await ask(() =>
        database.batch(statements.map((statement) => originals.get(statement) ?? statement)),
      )
      return results
    },
  }
  return counted as unknown as D1Database
}

/** `raw` and `first` do not report rows read and written, so `all` runs as well, or in their place. */
function countedStatement(
  statement: D1PreparedStatement,
  query: string,
  ask: Ask,
  wrap: (statement: D1PreparedStatement, query: string) => D1PreparedStatement,
): D1PreparedStatement {
  const all = () => ask(() => statement.all<Record<string, unknown>>())
  const counted = {
    bind: (...values: unknown[]) => wrap(statement.bind(...values), query),
    all,
    run: all,
    async first(column?: string) {
      const row = (await all()).results[0]
      return column === undefined ? (row ?? null) : (row?.[column] ?? null)
    },
    /** `all` merges two columns of one name, so a select also runs as `raw`; only a select may run twice. */
    async raw() {
      const { results } = await all()
      return IS_SELECT.test(query) ? statement.raw() : results.map((row) => Object.values(row))
    },
  }
  originals.set(counted, statement)
  return counted as unknown as D1PreparedStatement
}

async function roundTrip<Result extends D1Result | D1Result[]>(
  begin: Begin,
  batch: () => Promise<Result>,
): Promise<Result> {
  const charge = begin()
  const result = await awaited(() => delayed(() => turnAtD1().then(batch)))
  charge('d1RoundTrips')
  for (const { meta } of [result].flat() as D1Result[]) chargeQuery(charge, meta)
  return result
}

function chargeQuery(charge: Charge, meta: D1Meta): void {
  charge('d1Queries')
  charge('d1RowsRead', meta.rows_read)
  charge('d1RowsWritten', meta.rows_written)
}
