import { expect, test } from 'vitest'
import { PROBLEMS, type ProblemCode } from '../src/problem'
import { caller, openClinic, openFrontDesk } from './clinic'

const stranger = caller()
const codes = Object.keys(PROBLEMS) as ProblemCode[]
const HTML = { Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' }

test.each(codes)('/problems/%s explains itself to a program and to a person, without a key', async (code) => {
  const { status, body, headers } = await stranger.get(`/problems/${code}`)
  expect(status).toBe(200)
  expect(headers.get('Vary')).toContain('Accept')
  const { title } = PROBLEMS[code]
  expect(body).toMatchObject({
    code,
    type: `/problems/${code}`,
    status: PROBLEMS[code].status,
    meaning: title,
  })
  expect(body.example).toMatchObject({
    type: body.type,
    title,
    status: body.status,
    detail: expect.any(String),
  })
  for (const text of [body.cause, body.action, body.retry_advice]) expect(text).toMatch(/^[A-Z].{15,}\.$/)
  const isFinal = 'final' in PROBLEMS[code]
  expect(body.retry === 'same_answer').toBe(isFinal)
  const page = await stranger.get(`/problems/${code}`, HTML)
  expect(page.headers.get('Content-Type')).toContain('text/html')
  expect(page.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
  for (const text of [code, String(body.status)]) expect(page.text).toContain(text)
  expect(page.text).not.toMatch(/<script|(src|href)="(https?:)?\/\//)
})

test('/problems lists each code once, as page and as JSON', async () => {
  const { body } = await stranger.get('/problems')
  expect(body.problems.map(({ code }: { code: string }) => code)).toEqual(codes)
  const page = await stranger.get('/problems', HTML)
  for (const code of codes) expect(page.text).toContain(`href="/problems/${code}"`)
})

test.each([
  ['*/*', 'application/json'],
  ['', 'application/json'],
  ['application/problem+json', 'application/json'],
  ['application/json, text/html;q=0.5', 'application/json'],
  ['text/html', 'text/html'],
  ['text/*', 'text/html'],
  ['application/json;q=0.1, text/html', 'text/html'],
])('Accept: %s gets %s', async (accept, type) => {
  const { headers } = await stranger.get('/problems/day_full', { Accept: accept })
  expect(headers.get('Content-Type')).toContain(type)
})

test.each(['nobody', 'toString', '__proto__', 'DAY_FULL', '%3Cscript%3E'])(
  '/problems/%s is 404: a page for a browser, a problem for a program, and neither repeats the code',
  async (code) => {
    const reply = await stranger.get(`/problems/${code}`)
    expect([reply.status, reply.headers.get('Content-Type')]).toEqual([404, 'application/problem+json'])
    const page = await stranger.get(`/problems/${code}`, HTML)
    expect([page.status, page.headers.get('Content-Type')]).toEqual([404, 'text/html; charset=UTF-8'])
    expect(page.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
    expect(page.text).toContain('href="/problems"')
    expect(reply.text + page.text).not.toMatch(/script|toString|__proto__|DAY_FULL/)
  },
)

test('the type of every refusal is a path that answers', async () => {
  const clinic = await openClinic({ scopes: ['none'] })
  const desk = await openFrontDesk()
  const refusals = [
    await stranger.get('/events'),
    await clinic.get('/events'),
    await desk.get('/api/v1/patients/nobody'),
    await desk.post('/api/v1/patients', {}),
    await desk.send('POST', '/api/v1/patients', '{'),
    await desk.send('DELETE', '/tests'),
    await desk.send('POST', '/api/v1/hospitals/bulk', 'x', { 'Content-Type': 'text/csv' }),
  ]
  expect(refusals.map(({ status }) => status)).toEqual([401, 403, 404, 400, 400, 405, 400])
  for (const { body } of refusals) {
    const explained = await stranger.get(body.type)
    expect(explained).toMatchObject({ status: 200, body: { type: body.type, meaning: body.title } })
  }
})
