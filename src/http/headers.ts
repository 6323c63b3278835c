import type { Context } from 'hono'
import type { App } from '../context'

/**
 * For an answer that is made already. `c.header` would first make another of it, whose body is a stream: of a
 * page of 1,000 records that is a copy more.
 */
export const addHeader = (c: Context<App>, name: string, value: string): void =>
  c.res.headers.set(name, value)
