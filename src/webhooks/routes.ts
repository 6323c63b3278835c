import { toJsonSchema } from '@valibot/to-json-schema'
import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, json, noQuery, query, refuses, reply, replyListed, resource } from '../http/endpoint'
import { replay } from '../http/idempotency'
import { LIST_FORMS } from '../http/lists/form'
import { listEvents, receiveEvent } from './actions'
import { AcceptedEvent, ListEvents, NewWebhookEvent, WebhookEvent, WebhookEvents } from './model'

/** From the schema that validates. Trimming never decides whether an event is valid, so it is left out. */
const EVENT_SCHEMA = {
  ...toJsonSchema(NewWebhookEvent, { typeMode: 'input', ignoreActions: ['trim', 'metadata'] }),
  title: 'Appointment event',
}

export const webhooks = resource()
  .post(
    '/appointments',
    doc('Receive an appointment event', 200, AcceptedEvent),
    refuses('event_exists'),
    needs('webhooks:write'),
    body(NewWebhookEvent, 'contract'),
    replay,
    async (c) => reply(c, AcceptedEvent, await receiveEvent(c.var.ctx, c.req.valid('json'))),
  )
  .get(
    '/appointments/schema.json',
    doc('The JSON Schema of an appointment event', 200, v.looseObject({})),
    needs('webhooks:write'),
    noQuery('contract'),
    (c) => json(c, EVENT_SCHEMA),
  )

export const events = resource().get(
  '/',
  doc('List the events received, newest first', 200, WebhookEvents, LIST_FORMS),
  needs('events:read'),
  query(ListEvents, 'contract'),
  async (c) => {
    const page = await listEvents(c.var.ctx, c.req.valid('query'))
    return replyListed(c, WebhookEvent, page, () =>
      reply(c, WebhookEvents, { count: page.rows.length, events: page.rows }),
    )
  },
)
