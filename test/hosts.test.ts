import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import worker from '../src/index'
import { openClinic } from './clinic'

/** The runtime makes the URL of the caller's Host; a Request that a test makes has a sound one. */
async function answerTo(host: string, path: string, key: string) {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
    headers: { Authorization: `Bearer ${key}` },
  })
  Object.defineProperty(request, 'url', { value: `http://${host}${path}` })
  const response = await worker.fetch(request, env, createExecutionContext())
  return { status: response.status, link: response.headers.get('Link'), text: await response.text() }
}

const FORGED = [
  'a b',
  '<',
  'a:b',
  'a:99999',
  '[',
  '%',
  'a%00',
  '',
  '\\',
  '\\\\evil.example\\',
  'e:80:80',
  'a@b',
  '\u0430.test',
]

test.each([
  'x/api/v1/patients/search?phone=1&ignored=',
  'evil.example/docs/?',
  'evil:99/problems/a/?',
  'clinic.test/',
  'clinic.test#',
  'clinic.test, evil.example',
])('a Host of “%s”, which brings a path of its own, reaches no route', async (host) => {
  const { key } = await openClinic()
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test/health`, {
    headers: { Authorization: `Bearer ${key}`, Host: host },
  })
  Object.defineProperty(request, 'url', { value: `http://${host}/health` })
  const response = await worker.fetch(request, env, createExecutionContext())
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ errors: [{ field: 'Host', rule: 'format' }] })
})

test.each(FORGED)('a Host of “%s” is 400 that names it, on every kind of path', async (host) => {
  const { key } = await openClinic()
  for (const path of ['/health', '/api/v1/doctors?limit=1', '/api/v1/doctors/%00/availability', '/nowhere']) {
    const { status, link, text } = await answerTo(host, path, key)
    expect([path, status, link]).toEqual([path, 400, null])
    expect(JSON.parse(text).errors).toMatchObject([{ field: 'Host', rule: 'format' }])
  }
})

test.each(['localhost:8787', '[::1]:8787', '10.0.0.7', 'clinic-1.example_x.com'])(
  'a Host of “%s” is answered, and Link leads to the path that was asked',
  async (host) => {
    const { key, post } = await openClinic()
    for (const code of ['A', 'B']) await post('/api/v1/doctors', { name: code, code })
    const { status, link } = await answerTo(host, '/api/v1/doctors?limit=1', key)
    expect([status, link?.startsWith('</api/v1/doctors?limit=1&cursor=')]).toEqual([200, true])
  },
)

test('who came by https is told to come only by https, and who came by http is told nothing', async () => {
  const told = async (url: string) => {
    const request = new Request<unknown, IncomingRequestCfProperties>(url)
    const { headers } = await worker.fetch(request, env, createExecutionContext())
    return headers.get('Strict-Transport-Security')
  }
  for (const path of ['/health', '/docs', '/api/v1/doctors', '/nowhere']) {
    expect(await told(`https://clinic.test${path}`)).toBe('max-age=31536000')
    expect(await told(`http://clinic.test${path}`)).toBeNull()
  }
})
