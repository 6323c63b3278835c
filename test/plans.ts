import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { times } from './clinic'

/** The queries that `work` sends to D1. */
export async function asked(work: () => Promise<unknown>): Promise<string[]> {
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  await work()
  const texts = prepared.mock.calls.map(([text]) => text)
  prepared.mockRestore()
  return [...new Set(texts)].filter((text) => /^\s*(?:select|with)/i.test(text))
}

/** How SQLite runs a query, step by step. */
export async function planOf(query: string): Promise<string[]> {
  const numbered = Math.max(0, ...[...query.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)))
  const count = numbered || query.split('?').length - 1
  const plan = env.DB.prepare(`EXPLAIN QUERY PLAN ${query}`).bind(...times(count, () => 1))
  return (await plan.all<{ detail: string }>()).results.map(({ detail }) => detail)
}
