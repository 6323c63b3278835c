import type { Context } from 'hono'
import type { App } from '../context'
import { checked } from '../http/failure'
import { fieldsOf } from '../http/input/fields'
import { checkQuery } from '../http/url'
import { Follow } from './model'

/** What a caller asks a live stream for. */

type StreamRequest = { req: { header(name: string): string | undefined } }

/** A browser that reconnects repeats its first URL; the header names the last message that it received. */
export const resumed = (c: StreamRequest, wanted: Follow): Follow => ({
  ...wanted,
  since: c.req.header('Last-Event-ID') ?? wanted.since,
})

const FOLLOW_FIELDS = fieldsOf(Follow)

/**
 * What a caller with a ticket asks for; null: the caller has none, and needs a key. Before `authenticate`:
 * the object checks the ticket.
 */
export function askedByTicket(c: Context<App>): Follow | null {
  if (c.req.query('ticket') === undefined || c.req.method === 'HEAD') return null
  checkQuery(c.req.url, FOLLOW_FIELDS)
  return resumed(c, checked(Follow, FOLLOW_FIELDS, c.req.query(), 'ours').input)
}
