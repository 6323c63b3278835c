import { describeRoute } from 'hono-openapi'
import * as v from 'valibot'
import { needs } from '../access/permissions'
import { doc, refuses, reply, resource } from '../http/endpoint'
import type { About } from '../http/openapi'
import { page, pageFile, redocPage, swaggerPage } from './pages'
import { Readiness, readiness } from './readiness'

const Service = v.object({
  name: v.string(),
  version: v.string(),
  status: v.literal('ok'),
  links: v.record(v.string(), v.string()),
})
const Health = v.object({ status: v.literal('healthy'), version: v.string() })
const LINKS = { health: '/health', docs: '/docs', redoc: '/redoc', openapi: '/openapi.json' }

/** Documents a route that answers with HTML instead of JSON. */
const docPage = (summary: string) =>
  describeRoute({
    summary,
    responses: { 200: { description: summary, content: { 'text/html': { schema: { type: 'string' } } } } },
  })

/** The routes that need no API key. `document` builds the OpenAPI document of the whole API. */
export const pages = (
  { title, version }: Pick<About, 'title' | 'version'>,
  document: () => Promise<object>,
) =>
  resource()
    .get('/', doc('The name, version and links of the service', 200, Service), (c) =>
      reply(c, Service, { name: title, version, status: 'ok', links: LINKS }),
    )
    .get('/health', doc('Check that the service runs; asks no store', 200, Health), (c) =>
      reply(c, Health, { status: 'healthy', version }),
    )
    .get('/openapi.json', doc('This document', 200, v.looseObject({})), async (c) => c.json(await document()))
    .get('/docs', docPage('Interactive documentation'), (c) => page(c, swaggerPage))
    .get('/redoc', docPage('API reference'), (c) => page(c, redocPage))
    .get('/:page{docs|redoc}/:file{.+}', (c) => pageFile(c, c.req.param('file')))

/** Runs behind `authenticate`, because each request asks every store. */
export const ready = resource().get(
  '/',
  doc('Check that every store answers; 503 names those that do not', 200, Readiness),
  refuses('unavailable'),
  needs('service:read'),
  async (c) => reply(c, Readiness, await readiness(c.env)),
)
