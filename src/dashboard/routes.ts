import type { Context } from 'hono'
import { needs } from '../access/permissions'
import type { App } from '../context'
import { doc, documents, noBody, query, refuses, reply, resource } from '../http/endpoint'
import { checked, invalid } from '../http/failure'
import { fieldsOf } from '../http/input/fields'
import { checkQuery } from '../http/url'
import { issueDashboardTicket, openDashboard, openDashboardByTicket } from './actions'
import { DashboardTicket, OpenDashboard } from './model'

const PROTOCOL = documents({
  description: [
    'A WebSocket for the dashboard of the older service. It sends',
    '`{"action":"subscribe","date":"YYYY-MM-DD"}`, `{"action":"unsubscribe"}` or `{"action":"ping"}`, and',
    'receives `{"type":"snapshot","data":…}`, then',
    '`{"type":"update","data":…}` after each change, at most four times a second,',
    '`{"type":"unsubscribed","message":…}`, `{"type":"pong","timestamp":…}` or `{"error":…}`.',
    'Phones, ages and genders are null for a key that has no `patients:read`.',
    'With `ticket` no key is needed.',
  ].join(' '),
})

export const dashboard = resource()
  .get(
    '/queue',
    doc('Open the socket of a dashboard', 101, null),
    PROTOCOL,
    refuses('live_full', 'invalid_request'),
    needs('checkins:read', 'appointments:read'),
    query(OpenDashboard),
    async (c) => {
      requireUpgrade(c)
      return opened(await openDashboard(c.var.ctx))
    },
  )
  .post(
    '/tickets',
    doc(
      'Issue a ticket that opens the socket of a dashboard without a key; it is shown only once',
      201,
      DashboardTicket,
    ),
    refuses('key_shown_once', 'live_full'),
    needs('checkins:read', 'appointments:read'),
    noBody,
    async (c) => reply(c, DashboardTicket, await issueDashboardTicket(c.var.ctx), 201),
  )

const FIELDS = fieldsOf(OpenDashboard)

/** Runs before `authenticate`: the object checks a caller with a ticket; every other caller needs a key. */
export const dashboardByTicket = resource().get('/queue', async (c, next) => {
  if (c.req.query('ticket') === undefined) return next()
  checkQuery(c.req.url, FIELDS)
  const { ticket = '' } = checked(OpenDashboard, FIELDS, c.req.query(), 'ours').input
  requireUpgrade(c)
  return opened(await openDashboardByTicket(c.env, ticket))
})

const opened = (webSocket: WebSocket): Response => new Response(null, { status: 101, webSocket })

function requireUpgrade(c: Context<App>): void {
  if (c.req.header('Upgrade')?.toLowerCase() === 'websocket') return
  const message = 'Upgrade must be websocket; open this address as a WebSocket'
  throw invalid([{ field: 'Upgrade', rule: 'required', message }])
}
