import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { caller, openClinic } from './clinic'
import { operations } from './conformity'

const stranger = caller()
const anyPath = (path: string) => path.replace('{step}', 'serve').replace(/\{[^}]+\}/g, 'x')

test('every path answers its other methods with 405 and Allow, without a key and without storage', async () => {
  const spy = vi.spyOn(env.DB, 'prepare')
  const served = new Map<string, string[]>()
  for (const { method, path } of await operations()) served.set(path, [...(served.get(path) ?? []), method])
  expect(served.size).toBeGreaterThan(30)
  for (const [path, methods] of served)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
      (other) => !methods.includes(other),
    )) {
      const reply = await stranger.send(method, anyPath(path))
      // A path with a parameter can be another path too, like /hospitals/{id} and /hospitals/bulk.
      if (reply.status === 401) continue
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
  ['PUT', '/api/v1/patients', 'OPTIONS, POST'],
  ['GET', '/api/v1/patients', 'OPTIONS, POST'],
  ['HEAD', '/api/v1/patients', 'OPTIONS, POST'],
  ['POST', '/health', 'GET, HEAD, OPTIONS'],
  ['POST', '/docs/page.css', 'GET, HEAD, OPTIONS'],
  ['PROPFIND', '/events', 'GET, HEAD, OPTIONS'],
  ['PATCH', '/api/v1/hospitals/bulk', 'GET, HEAD, OPTIONS, POST'],
  ['GET', '/api/v1/checkins/x/serve', 'OPTIONS, POST'],
])('%s %s is 405 and allows %s', async (method, path, allow) => {
  const reply = await stranger.send(method, path)
  expect([reply.status, reply.headers.get('Allow')]).toEqual([405, allow])
  if (method !== 'HEAD') expect(reply.body).toMatchObject({ type: '/problems/method_not_allowed' })
})

test('OPTIONS names the methods of a path, without a key; a path that does not exist is still 401 or 404', async () => {
  const options = await stranger.send('OPTIONS', '/api/v1/doctors/x')
  expect([options.status, options.headers.get('Allow'), options.text]).toEqual([
    204,
    'GET, HEAD, OPTIONS, PATCH',
    '',
  ])
  const clinic = await openClinic()
  for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
    expect([method, (await stranger.send(method, '/no/such/route')).status]).toEqual([method, 401])
    const unknown = await clinic.send(method, '/no/such/route?a=1', method === 'POST' ? '{"a":1}' : null)
    expect([method, unknown.status]).toEqual([method, 404])
    expect(unknown.body).toMatchObject({ type: '/problems/not_found', message: 'Route not found' })
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
