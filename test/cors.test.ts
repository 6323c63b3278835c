import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import worker from '../src/index'
import { openClinic } from './clinic'

const DESK = 'https://desk.example.com'

async function fetchWith(origins: string | undefined, path: string, init: RequestInit = {}) {
  const request = new Request<unknown, IncomingRequestCfProperties>(
    `https://clinic.test${path}`,
    init as never,
  )
  const settings = origins === undefined ? env : { ...env, CORS_ORIGINS: origins }
  return worker.fetch(request, settings as Env, createExecutionContext())
}

const preflight = (origin: string): RequestInit => ({
  method: 'OPTIONS',
  headers: {
    Origin: origin,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
  },
})
const from = (origin: string, headers = {}): RequestInit => ({ headers: { Origin: origin, ...headers } })
const allowed = (response: Response) => response.headers.get('Access-Control-Allow-Origin')

test('without the setting no page of another origin may read anything', async () => {
  for (const setting of [undefined, '', ' ', ','])
    for (const init of [from(DESK), preflight(DESK)]) {
      const response = await fetchWith(setting, '/health', init)
      expect(allowed(response)).toBeNull()
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    }
})

test('a listed origin is allowed, answers and refusals alike, never with cookies', async () => {
  const { key } = await openClinic()
  const origins = `http://localhost:5173, ${DESK}`
  for (const [path, headers] of [
    ['/health', {}],
    ['/events', { Authorization: `Bearer ${key}` }],
    ['/events', {}],
    ['/no/such/route', { Authorization: `Bearer ${key}` }],
  ] as const) {
    const response = await fetchWith(origins, path, from(DESK, headers))
    expect(allowed(response)).toBe(DESK)
    expect(response.headers.get('Vary')).toContain('Origin')
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull()
    const exposed = response.headers.get('Access-Control-Expose-Headers')?.split(',')
    expect(exposed).toEqual(
      expect.arrayContaining([
        'Link',
        'Idempotency-Replayed',
        'Retry-After',
        'X-Request-Id',
        'Ignored-Fields',
        'Allow',
      ]),
    )
  }
  expect(allowed(await fetchWith(origins, '/health', from('http://localhost:5173')))).toBe(
    'http://localhost:5173',
  )
})

test('a preflight needs no key and reaches no storage', async () => {
  const spy = vi.spyOn(env.DB, 'prepare')
  const response = await fetchWith(DESK, '/api/v1/appointments', preflight(DESK))
  expect([response.status, allowed(response)]).toEqual([204, DESK])
  expect(response.headers.get('Access-Control-Allow-Methods')).toContain('POST')
  expect(response.headers.get('Access-Control-Allow-Headers')).toMatch(
    /Authorization.*Idempotency-Key.*X-API-Key/,
  )
  expect(response.headers.get('Access-Control-Max-Age')).toBe('3600')
  expect(response.headers.get('Vary')).toContain('Origin')
  expect(spy).not.toHaveBeenCalled()
})

test.each([
  'https://evil.example.com',
  'http://desk.example.com',
  'https://desk.example.com:8443',
  'https://desk.example.com.evil.example',
  'https://sub.desk.example.com',
  'null',
  '',
])('the origin %j is not the listed one', async (origin) => {
  for (const init of [from(origin), preflight(origin)]) {
    const response = await fetchWith(DESK, '/health', init)
    expect(allowed(response)).toBeNull()
    expect(response.headers.get('Vary')).toContain('Origin')
  }
})

test.each([
  '*',
  'null',
  'https://*.example.com',
  'desk.example.com',
  `${DESK}/`,
  `${DESK}/app`,
  'file://',
  'https://',
])('the entry %j in the setting lets nobody in, and the others still count', async (entry) => {
  for (const origin of [DESK, 'null', entry, 'https://evil.example.com'])
    expect(allowed(await fetchWith(entry, '/health', from(origin)))).toBeNull()
  expect(allowed(await fetchWith(`${entry},${DESK}`, '/health', from(DESK)))).toBe(DESK)
  expect(allowed(await fetchWith(`${entry},${DESK}`, '/health', from('null')))).toBeNull()
})

test('OPTIONS that is no preflight still names the methods of the path', async () => {
  const response = await fetchWith(DESK, '/tests', { method: 'OPTIONS', headers: { Origin: DESK } })
  expect([response.status, response.headers.get('Allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST'])
})
