import { needs } from '../access/permissions'
import { body, doc, query, refuses, reply, resource } from '../http/endpoint'
import { answerLive, headOpensNothing, sendsEvents } from '../http/event-stream'
import { askedByTicket, resumed } from '../live/asked'
import { Follow, NewTicket, Ticket } from '../live/model'
import { followClinic, followClinicByTicket, issueClinicTicket } from './actions'
import { ClinicMessage } from './model'

const STREAM = {
  description: [
    'With `Upgrade: websocket` each message is a text frame, otherwise a server-sent event with `seq` as id:',
    'a snapshot of all days of the clinic on the date, then one message per event of any of them.',
    'To continue after the last message seen, send its `seq` as `since` or `Last-Event-ID`.',
    'The view is `desk` unless `view=board`; `desk` also needs the scopes `appointments:read` and',
    '`patients:read`. With `ticket`, send `date`, and no key is needed.',
  ],
  lastEventId: 'The same as `since`, and it overrides `since`. Browsers send this header by themselves.',
}
const SOCKET = { 101: { description: 'The same messages on a WebSocket' } }

export const clinicLive = resource()
  .get(
    '/live',
    doc('Follow all doctors of the clinic on one date', 101, null),
    refuses('live_full'),
    sendsEvents(STREAM, ClinicMessage, SOCKET),
    needs('checkins:read'),
    headOpensNothing,
    query(Follow),
    async (c) => answerLive(c.req.raw, await followClinic(c.var.ctx, resumed(c, c.req.valid('query')))),
  )
  .post(
    '/tickets',
    doc(
      'Issue a ticket that lets a browser follow the clinic on one date without a key; it is shown only once',
      201,
      Ticket,
    ),
    refuses('key_shown_once', 'live_full'),
    needs('checkins:read'),
    body(NewTicket),
    async (c) => reply(c, Ticket, await issueClinicTicket(c.var.ctx, c.req.valid('json')), 201),
  )

/** Runs before `authenticate`: the object checks a caller with a ticket; every other caller needs a key. */
export const clinicLiveByTicket = resource().get('/live', async (c, next) => {
  const wanted = askedByTicket(c)
  return wanted ? answerLive(c.req.raw, await followClinicByTicket(c.env, wanted)) : next()
})
