import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { caller, openClinic } from './clinic'
import { operations } from './conformity'

const stranger = caller()
const anyPath = (path: string) => path.replace('{step}', 'serve').replace(/\{[^}]+\}/g, 'x')

test('every path answers its other methods with 405 and Allow, without a key and without storage', async () => {
  const spy = vi.spyOn(env.DB, 'prepare').mockClear()
  const served = new Map<string, string[]>()
  for (const { method, path } of await operations()) served.set(path, [...(served.get(path) ?? []), method])
  expect(served.size).toBeGreaterThan(30)
  for (const [path, methods] of served)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
      (other) => !methods.includes(other),
    )) {
      const reply = await stranger.send(method, anyPath(path))
      expect([method, path, reply.status]).toEqual([method, path, 405])
      const allow = reply.headers.get('Allow')?.split(', ') ?? []
      expect(allow).toEqual(expect.arrayContaining([...methods, 'OPTIONS']))
      expect(allow).not.toContain(method)
      expect(allow.includes('HEAD')).toBe(allow.includes('GET'))
    }
  expect(spy).not.toHaveBeenCalled()
})

test.each([
  ['DELETE', '/tests', 'GET, HEAD, OPTIONS, POST'],
  ['PUT', '/api/v1/checkins', 'OPTIONS, POST'],
  ['GET', '/api/v1/checkins', 'OPTIONS, POST'],
  ['HEAD', '/api/v1/checkins', 'OPTIONS, POST'],
  ['POST', '/health', 'GET, HEAD, OPTIONS'],
  ['POST', '/docs/page.css', 'GET, HEAD, OPTIONS'],
  ['PROPFIND', '/events', 'GET, HEAD, OPTIONS'],
  ['PATCH', '/api/v1/hospitals/bulk', 'OPTIONS, POST'],
  ['HEAD', '/api/v1/hospitals/bulk', 'OPTIONS, POST'],
  ['DELETE', '/api/v1/patients/search', 'GET, HEAD, OPTIONS, POST'],
  ['POST', '/api/v1/appointments/holds/cancel', 'DELETE, OPTIONS'],
  ['GET', '/api/v1/checkins/x/serve', 'OPTIONS, POST'],
])('%s %s is 405 and allows %s', async (method, path, allow) => {
  const reply = await stranger.send(method, path)
  expect([reply.status, reply.headers.get('Allow')]).toEqual([405, allow])
  if (method !== 'HEAD') expect(reply.body).toMatchObject({ type: '/problems/method_not_allowed' })
})

test('a path that is written out is no id: its other methods are 405, though a parameter matches it', async () => {
  const all = await operations()
  const matches = (pattern: string, path: string) =>
    new RegExp(`^${pattern.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path)
  const written = [...new Set(all.map(({ path }) => path))].filter((path) => !path.includes('{'))
  const taken = written.flatMap((path) =>
    all
      .filter(
        (other) =>
          other.path.includes('{') &&
          matches(other.path, path) &&
          !all.some((own) => own.path === path && own.method === other.method),
      )
      .map(({ method }) => ({ method, path })),
  )
  expect(taken).toEqual(
    expect.arrayContaining([
      { method: 'GET', path: '/api/v1/hospitals/bulk' },
      { method: 'GET', path: '/api/v1/appointments/holds' },
      { method: 'GET', path: '/api/v1/checkins/walk-in' },
    ]),
  )
  const clinic = await openClinic()
  for (const { method, path } of taken) {
    const own = all.filter((operation) => operation.path === path).map((operation) => operation.method)
    const { status, headers } = await clinic.send(method, path)
    expect([method, path, status]).toEqual([method, path, 405])
    expect(headers.get('Allow')?.split(', ')).toEqual(expect.arrayContaining(own))
    expect(headers.get('Allow')).not.toContain(method)
  }
})

test('OPTIONS names the methods of a path, without a key', async () => {
  const options = await stranger.send('OPTIONS', '/api/v1/doctors/x')
  expect([options.status, options.headers.get('Allow'), options.text]).toEqual([
    204,
    'DELETE, GET, HEAD, OPTIONS, PATCH',
    '',
  ])
})

/** Near a route whose parameter has a pattern: the pattern must be the whole part of the path. */
const NEAR = [
  '/api/v1/checkins/x/served',
  '/api/v1/checkins/x/serve/x',
  '/api/v1/checkins/x/unskip',
  '/api/v1/checkins/x/my-recall',
  '/docsx/page.css',
  '/xredoc/page.css',
]

test('a path that does not exist is 404 for all, without a key and without storage', async () => {
  const clinic = await openClinic()
  const spy = vi.spyOn(env.DB, 'prepare').mockClear()
  for (const path of [
    '/no/such/route?a=1',
    '/favicon.ico',
    '/robots.txt',
    '//',
    '//docs',
    '/api/v1',
    '/doc/',
    ...NEAR,
  ])
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE'])
      for (const client of [stranger, clinic]) {
        const unknown = await client.send(method, path, method === 'POST' ? '{"a":1}' : null)
        expect([method, path, unknown.status]).toEqual([method, path, 404])
        if (method !== 'HEAD')
          expect(unknown.body).toMatchObject({ type: '/problems/not_found', message: 'Route not found' })
      }
  expect(spy).not.toHaveBeenCalled()
})

test('every path with a slash at its end is told the path without it, before any key or storage', async () => {
  const spy = vi.spyOn(env.DB, 'prepare').mockClear()
  const paths = [...new Set((await operations()).map(({ path }) => path))].filter((path) => path !== '/')
  for (const path of paths) {
    const { status, body } = await stranger.send('PUT', `${anyPath(path)}/`)
    expect([path, status]).toEqual([path, 404])
    expect(body.message).toBe(`Route not found; send the path without a slash at its end: ${path}`)
  }
  const named = await stranger.get('/api/v1/patients/ada-lovelace//?phone=%2B1-202-555-0101')
  expect(named.body.message).toContain('/api/v1/patients/{id}')
  expect(named.text).not.toMatch(/lovelace|202-555/)
  expect(spy).not.toHaveBeenCalled()
})

test.each([
  ['/docs/', '/docs'],
  ['/redoc/', '/redoc'],
  ['/openapi.json//', '/openapi.json'],
  ['/health/?a=1', '/health?a=1'],
  ['/problems/', '/problems'],
  ['/problems/day_full/', '/problems/day_full'],
  ['/api/v1/docs/', '/api/v1/docs'],
])('a browser is led from the public page %s to %s', async (path, to) => {
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await stranger.send(method, path)
    expect([method, status, headers.get('Location')]).toEqual([method, 308, to])
  }
})

test('HEAD of what GET answers has its status and headers, and no body', async () => {
  const clinic = await openClinic()
  for (const path of ['/health', '/events', `/tests?clinic_id=${clinic.clinicId}`, '/problems/day_full']) {
    const [get, head] = [await clinic.get(path), await clinic.send('HEAD', path)]
    expect([path, head.status, head.text]).toEqual([path, get.status, ''])
    expect(head.headers.get('Content-Type')).toBe(get.headers.get('Content-Type'))
  }
})
