import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { times } from './clinic'

/** The queries that `work` sends to D1. */
export const asked = async (work: () => Promise<unknown>): Promise<string[]> =>
  (await stated(work)).filter((text) => /^\s*(?:select|with)/i.test(text))

/** All statements that `work` sends to D1. */
export async function stated(work: () => Promise<unknown>): Promise<string[]> {
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  await work()
  const texts = prepared.mock.calls.map(([text]) => text)
  prepared.mockRestore()
  return [...new Set(texts)]
}

/** Reads every row of a table, or sorts all rows that match before the first page is cut. */
export const isSlow = (step: string) =>
  /TEMP B-TREE/.test(step) || (/^SCAN /.test(step) && !/json_each|CONSTANT ROW|\(subquery|VIRTUAL/.test(step))

/** How SQLite runs a query, step by step. */
export async function planOf(query: string): Promise<string[]> {
  const numbered = Math.max(0, ...[...query.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)))
  const count = numbered || query.split('?').length - 1
  const plan = env.DB.prepare(`EXPLAIN QUERY PLAN ${query}`).bind(...times(count, () => 1))
  return (await plan.all<{ detail: string }>()).results.map(({ detail }) => detail)
}
