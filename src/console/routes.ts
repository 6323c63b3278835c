import { describeRoute, resolver } from 'hono-openapi'
import * as v from 'valibot'
import { needs } from '../access/permissions'
import { doc, json, noQuery, refuses, reply, resource } from '../http/endpoint'
import type { About } from '../http/openapi'
import { soundPath } from '../http/url'
import { iso } from '../lib/time'
import { page, pageFile, redocPage, swaggerPage } from './pages'
import { ProblemList, ProblemPage, problemList, problemPage } from './problems'
import { Readiness, readiness } from './readiness'

const Service = v.object({
  service: v.string(),
  name: v.string(),
  version: v.string(),
  status: v.literal('running'),
  timestamp: v.string(),
  endpoints: v.record(v.string(), v.string()),
  links: v.record(v.string(), v.string()),
})
const Health = v.object({ status: v.literal('healthy'), version: v.string() })
const LINKS = {
  health: '/health',
  docs: '/docs',
  redoc: '/redoc',
  openapi: '/openapi.json',
  problems: '/problems',
}
const ENDPOINTS = {
  tests: '/tests',
  webhook: '/webhook/appointments',
  events: '/events',
  hospitals: '/api/v1/hospitals',
  patients: '/api/v1/patients',
  doctors: '/api/v1/doctors',
  appointments: '/api/v1/appointments',
  checkins: '/api/v1/checkins',
}

/** Documents a route that answers with HTML instead of JSON. */
const docPage = (summary: string) =>
  describeRoute({
    summary,
    responses: { 200: { description: summary, content: { 'text/html': { schema: { type: 'string' } } } } },
  })

/** Documents a route that answers a browser with HTML and a program with JSON. */
const docBoth = (summary: string, schema: v.GenericSchema, refused?: 404) => {
  const json = { schema: resolver(schema, { options: { typeMode: 'output' } }) }
  const content = { 'text/html': { schema: { type: 'string' as const } }, 'application/json': json }
  const refusal = { description: 'The same for a browser', content: { 'text/html': content['text/html'] } }
  return describeRoute({
    summary,
    responses: { 200: { description: summary, content }, ...(refused && { [refused]: refusal }) },
  })
}

/** Documents a route that moved to a path of its own. */
const docMoved = (to: string) =>
  describeRoute({ summary: `Redirects to ${to}`, responses: { 302: { description: `Location: ${to}` } } })

/** The routes that need no API key. `document` builds the OpenAPI document of the whole API. */
export const pages = (
  { title, version }: Pick<About, 'title' | 'version'>,
  document: () => Promise<object>,
) =>
  resource()
    .get('/', doc('The name, version and links of the service', 200, Service), noQuery('contract'), (c) =>
      reply(c, Service, {
        service: title,
        name: title,
        version,
        status: 'running',
        timestamp: iso(Date.now()),
        endpoints: ENDPOINTS,
        links: LINKS,
      }),
    )
    .get('/health', doc('Check that the service runs', 200, Health), noQuery('contract'), (c) =>
      reply(c, Health, { status: 'healthy', version }),
    )
    .get('/openapi.json', doc('This document', 200, v.looseObject({})), async (c) =>
      json(c, await document()),
    )
    .get('/docs', docPage('Interactive documentation'), (c) => page(c, swaggerPage))
    .get('/redoc', docPage('API reference'), (c) => page(c, redocPage))
    .get('/api/v1/docs', docMoved('/docs'), (c) => c.redirect('/docs'))
    .get('/api/v1/redoc', docMoved('/redoc'), (c) => c.redirect('/redoc'))
    .get('/api/v1/openapi.json', docMoved('/openapi.json'), (c) => c.redirect('/openapi.json'))
    .get('/problems', docBoth('List every problem that an answer can have', ProblemList), noQuery(), (c) =>
      problemList(c),
    )
    .get(
      '/problems/:code',
      docBoth('Explain a problem: the type of an answer leads here', ProblemPage, 404),
      refuses('not_found'),
      soundPath,
      noQuery(),
      (c) => problemPage(c, c.req.param('code')),
    )
    .get('/:page{(?:docs|redoc)}/:file{.+}', (c) => pageFile(c, c.req.param('file')))

/** Runs behind `authenticate`, because each request asks every store. */
export const ready = resource().get(
  '/',
  doc('Check that every store answers; 503 names those that do not', 200, Readiness),
  refuses('unavailable'),
  needs('service:read'),
  async (c) => reply(c, Readiness, await readiness(c.env)),
)
