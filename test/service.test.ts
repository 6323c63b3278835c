import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { api } from '../src/api'
import { withEnding } from '../src/http/router'
import { caller, openClinic, times } from './clinic'
import { operations } from './conformity'

type RequestBody = { content: Record<string, unknown> }

/** The scripts and styles of the two pages. */
const PAGE_FILES = '/:page{(?:docs|redoc)}/:file{.+}'

const stranger = caller()

test('GET / tells service, version, status, endpoints and links, and every link leads somewhere', async () => {
  const { status, body } = await stranger.get('/')
  expect(status).toBe(200)
  expect(body).toMatchObject({
    service: 'Doctorday',
    name: 'Doctorday',
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    status: 'running',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    endpoints: { tests: '/tests', appointments: '/api/v1/appointments' },
  })
  for (const link of Object.values<string>(body.links)) expect((await stranger.get(link)).status).toBe(200)
})

test('GET /health tells that the service runs, and asks no store', async () => {
  const asked = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  for (const method of ['GET', 'HEAD']) expect((await stranger.send(method, '/health')).status).toBe(200)
  expect((await stranger.get('/health')).body).toEqual({ status: 'healthy', version: '0.1.0' })
  expect(asked).not.toHaveBeenCalled()
  asked.mockRestore()
})

test.each([
  ['/api/v1/docs', '/docs'],
  ['/api/v1/redoc', '/redoc'],
  ['/api/v1/openapi.json', '/openapi.json'],
])('GET %s leads older clients to %s', async (old, now) => {
  const { status, headers } = await stranger.get(old)
  expect([status, headers.get('Location')]).toEqual([302, now])
  expect((await stranger.get(now)).status).toBe(200)
})

test.each(['/docs', '/redoc'])('GET %s is a page that loads nothing from elsewhere', async (path) => {
  const { status, text, headers } = await stranger.get(path)
  expect(status).toBe(200)
  expect(headers.get('Content-Type')).toContain('text/html')
  expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'")
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//)
})

test('a body that is too large is 413, whatever Content-Length says', async () => {
  const clinic = await openClinic()
  const long = new ReadableStream({
    start(controller) {
      for (const _ of times(20, (n) => n)) controller.enqueue(new TextEncoder().encode('x'.repeat(64 * 1024)))
      controller.close()
    },
  })
  expect((await clinic.send('POST', '/tests', long, { 'Content-Length': '2' })).status).toBe(413)
})

test('an unknown route is a 404 in the same form as every other problem', async () => {
  const clinic = await openClinic()
  const { status, body, headers } = await clinic.get('/api/v2/patients')
  expect(headers.get('Content-Type')).toBe('application/problem+json')
  expect(body).toEqual({
    type: '/problems/not_found',
    title: 'Not found',
    status,
    detail: 'Route not found',
    error: 'Not found',
    message: 'Route not found',
    request_id: headers.get('X-Request-Id'),
  })
})

test('every route is in the OpenAPI document, and nothing else', async () => {
  const served = api.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== PAGE_FILES)
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]+\})?/g, '{$1}')}`)
    .map(withEnding)
  const documented = (await operations()).map(({ method, path }) => `${method} ${path}`)
  expect(documented.length).toBeGreaterThan(35)
  expect([...new Set(served)].sort()).toEqual(documented.sort())
})

test('a body that is no object is a 400 on every route that takes one, never a 500', async () => {
  const clinic = await openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
  const taking = (await operations()).filter(
    ({ operation }) =>
      'application/json' in ((operation.requestBody as RequestBody | undefined)?.content ?? {}),
  )
  expect(taking.length).toBeGreaterThan(10)
  for (const { method, path } of taking)
    for (const body of ['null', '"text"', '7', 'true', '[]', '[null]', '{']) {
      const { status } = await clinic.send(method, path.replace(/\{[^}]+\}/g, 'x'), body)
      expect([path, body, status]).toEqual([path, body, 400])
    }
})
