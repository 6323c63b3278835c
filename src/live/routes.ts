import { needs } from '../access/permissions'
import { body, doc, path, query, refuses, reply, resource } from '../http/endpoint'
import { answerLive, headOpensNothing, sendsEvents } from '../http/event-stream'
import { parse } from '../http/failure'
import { followByTicket, followQueue, issueTicket } from './actions'
import { askedByTicket, resumed } from './asked'
import { Follow, FollowPath, LiveMessage, NewTicket, Ticket } from './model'

/** One stream in two protocols, neither of which is JSON. */
const STREAM = {
  description: [
    'With `Upgrade: websocket` each message is a text frame, otherwise a server-sent event with `seq` as id:',
    'a snapshot of the queue, then one message per event of the day.',
    'To continue after the last message seen, send its `seq` as `since` or `Last-Event-ID`.',
    'The view is `desk` unless `view=board`. With `ticket`, send `date`, and no key is needed.',
  ],
  lastEventId: 'The same as `since`, and it overrides `since`. Browsers send this header by themselves.',
}
const SOCKET = { 101: { description: 'The same messages on a WebSocket' } }

export const live = resource()
  .get(
    '/live',
    doc('Follow the queue of a day as it changes', 101, null),
    refuses('not_found', 'live_full'),
    sendsEvents(STREAM, LiveMessage, SOCKET),
    needs('checkins:read'),
    headOpensNothing,
    path(FollowPath),
    query(Follow),
    async (c) => {
      const { doctor_id } = c.req.valid('param')
      return answerLive(c.req.raw, await followQueue(c.var.ctx, doctor_id, resumed(c, c.req.valid('query'))))
    },
  )
  .post(
    '/tickets',
    doc(
      'Issue a ticket that lets a browser follow one day without a key; the ticket is shown only once',
      201,
      Ticket,
    ),
    refuses('not_found', 'key_shown_once', 'live_full', 'day_damaged'),
    needs('checkins:read'),
    path(FollowPath),
    body(NewTicket),
    async (c) => {
      const { doctor_id } = c.req.valid('param')
      return reply(c, Ticket, await issueTicket(c.var.ctx, doctor_id, c.req.valid('json')), 201)
    },
  )

/** Runs before `authenticate`: the day checks a caller with a ticket; every other caller needs a key. */
export const liveByTicket = resource().get('/live', async (c, next) => {
  const wanted = askedByTicket(c)
  if (!wanted) return next()
  const { doctor_id } = parse(FollowPath, c.req.param())
  return answerLive(c.req.raw, await followByTicket(c.env, doctor_id, wanted))
})
