import { env } from 'cloudflare:workers'
import { vi } from 'vitest'

interface Asked {
  text: string
  values: unknown[]
}

/** The SELECT statements about patients that `work` sends to D1, with what is bound to them. */
export const askedOfPatients = (work: () => Promise<unknown>) => askedOf('patients', work)

export async function askedOf(table: string, work: () => Promise<unknown>): Promise<Asked[]> {
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const { prepare } = database
  const asked: Asked[] = []
  const spy = vi.spyOn(database, 'prepare').mockImplementation(function (this: D1Database, text) {
    const statement = prepare.call(this, text)
    const bind = statement.bind.bind(statement)
    statement.bind = (...values) => {
      asked.push({ text, values })
      return bind(...values)
    }
    return statement
  })
  await work()
  spy.mockRestore()
  return asked.filter(({ text }) => new RegExp(`^select\\b.*\\b${table}\\b`, 'is').test(text))
}

/** What D1 bills for them. */
export async function rowsRead(asked: Asked[]): Promise<number> {
  const answers = await Promise.all(
    asked.map(({ text, values }) =>
      env.DB.prepare(text)
        .bind(...values)
        .all(),
    ),
  )
  return answers.reduce((sum, { meta }) => sum + meta.rows_read, 0)
}

/** How SQLite runs them, step by step. */
export async function plansOf(asked: Asked[]): Promise<string[]> {
  const plans = asked.map(({ text, values }) =>
    env.DB.prepare(`EXPLAIN QUERY PLAN ${text}`)
      .bind(...values)
      .all<{ detail: string }>(),
  )
  return (await Promise.all(plans)).flatMap(({ results }) => results.map(({ detail }) => detail))
}
