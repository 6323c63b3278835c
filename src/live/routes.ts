import { needs } from '../access/authenticate'
import { body, doc, path, query, refuses, reply, resource } from '../http/endpoint'
import { sendsEvents, speakTo } from '../http/event-stream'
import { parse } from '../http/failure'
import { followByTicket, followQueue, issueTicket } from './actions'
import { Follow, FollowPath, LiveMessage, NewTicket, Ticket } from './model'

/** One stream in two protocols, neither of which is JSON. */
const STREAM = {
  description: [
    'With `Upgrade: websocket` each message is a text frame, else a server-sent event whose id is `seq`:',
    'a snapshot of the queue, then one message per event of the day.',
    'To continue after the last message seen, send its `seq` as `since` or `Last-Event-ID`.',
    'The view is `desk` unless `view=board`. With `ticket` no key is needed, and `date` is.',
  ],
  lastEventId: 'As `since`, and before it: browsers send it by themselves.',
}
const SOCKET = { 101: { description: 'The same messages on a WebSocket' } }

type Asked = { req: { raw: Request; header(name: string): string | undefined } }

/** A browser that comes again repeats its first address; what it has seen since stands in the header. */
const resumed = (c: Asked, wanted: Follow): Follow => ({
  ...wanted,
  since: c.req.header('Last-Event-ID') ?? wanted.since,
})

export const live = resource()
  .get(
    '/live',
    doc('Follow the queue of a day as it changes', 101, null),
    refuses('not_found', 'live_full'),
    sendsEvents(STREAM, LiveMessage, SOCKET),
    needs('checkins:read'),
    path(FollowPath),
    query(Follow),
    async (c) => {
      const { doctor_id } = c.req.valid('param')
      return speakTo(c.req.raw, await followQueue(c.var.ctx, doctor_id, resumed(c, c.req.valid('query'))))
    },
  )
  .post(
    '/tickets',
    doc(
      'Issue a ticket, with which a browser follows one day without a key; it is shown this once',
      201,
      Ticket,
    ),
    refuses('not_found', 'key_shown_once', 'live_full'),
    needs('checkins:read'),
    path(FollowPath),
    body(NewTicket),
    async (c) => {
      const { doctor_id } = c.req.valid('param')
      return reply(c, Ticket, await issueTicket(c.var.ctx, doctor_id, c.req.valid('json')), 201)
    },
  )

/** Stands above `authenticate`: whoever shows a ticket is let in by the day, anybody else needs a key. */
export const liveByTicket = resource().get('/live', async (c, next) => {
  if (c.req.query('ticket') === undefined) return next()
  const wanted = resumed(c, parse(Follow, c.req.query()))
  const { doctor_id } = parse(FollowPath, c.req.param())
  return speakTo(c.req.raw, await followByTicket(c.env, doctor_id, wanted))
})
