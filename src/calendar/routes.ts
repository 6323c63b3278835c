import type { Context } from 'hono'
import { needs } from '../access/permissions'
import type { App } from '../context'
import { doc, documents, noBody, noQuery, path, query, refuses, reply, resource } from '../http/endpoint'
import { isKnown } from '../http/etag'
import { soundPath } from '../http/url'
import { sha256 } from '../lib/crypto'
import { closeFeed, getVisit, openFeed, readFeed } from './actions'
import { feedCalendar, visitCalendar } from './ics'
import { AskFeed, ClosedFeed, Feed, FeedPath, VisitPath } from './model'

const ICS = 'text/calendar'

/** Documents a route that answers with a calendar. */
const sendsCalendar = (summary: string, more: Record<number, { description: string }> = {}) =>
  documents({
    summary,
    responses: {
      200: { description: `${summary} (RFC 5545)`, content: { [ICS]: { schema: { type: 'string' } } } },
      ...more,
    },
  })

/** `name` is that of the file, and says nothing of the appointment. */
const calendarReply = (c: Context<App>, text: string, name: string): Response =>
  c.body(text, 200, {
    'Content-Type': `${ICS}; charset=utf-8`,
    'Content-Disposition': `attachment; filename="${name}.ics"`,
  })

export const visitCalendars = resource().get(
  '/:id_ics{[^\\x2f]+[.]ics}',
  sendsCalendar('Get an appointment for a calendar: when, at which clinic, with which doctor'),
  refuses('not_found'),
  needs('appointments:read'),
  path(VisitPath),
  noQuery(),
  async (c) => {
    const { visit, place } = await getVisit(c.var.ctx, c.req.valid('param').id_ics)
    return calendarReply(c, visitCalendar(visit, place), 'appointment')
  },
)

export const feeds = resource()
  .post(
    '/:id/feed',
    doc(
      'Open the calendar feed of a doctor; its token is shown only once, and ends the one before',
      201,
      Feed,
    ),
    refuses('not_found', 'key_shown_once'),
    needs('doctors:write', 'appointments:read'),
    noBody,
    async (c) => reply(c, Feed, await openFeed(c.var.ctx, c.req.param('id')), 201),
  )
  .delete(
    '/:id/feed',
    doc('Close the calendar feed of a doctor', 200, ClosedFeed),
    refuses('not_found', 'idempotency_key_reused'),
    needs('doctors:write'),
    noBody,
    async (c) => reply(c, ClosedFeed, await closeFeed(c.var.ctx, c.req.param('id'))),
  )

/**
 * Runs before `authenticate`: the token is the key. An unchanged feed is 304, and is not written again:
 * calendars ask once an hour.
 */
export const feedByToken = resource().get(
  '/:id/feed.ics',
  sendsCalendar('Follow the appointments of a doctor in a calendar, without names', {
    304: { description: 'The feed is as the ETag in If-None-Match names it' },
  }),
  refuses('unauthenticated'),
  soundPath,
  path(FeedPath),
  query(AskFeed),
  async (c) => {
    const { token = '' } = c.req.valid('query')
    const visits = await readFeed(c.env, c.req.valid('param').id, token, Date.now())
    const etag = `"${sha256(JSON.stringify(visits))}"`
    c.header('ETag', etag)
    // A calendar may keep what it has, and must ask each time whether it may still use it.
    c.header('Cache-Control', 'private, no-cache')
    if (isKnown(c, etag)) return c.body(null, 304)
    return calendarReply(c, feedCalendar(visits), 'appointments')
  },
)
