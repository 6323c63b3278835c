import { expect, test } from 'vitest'
import { openFrontDesk, times } from './clinic'

/** Every list that comes in pages, and how many records `fill` gives it. */
const LISTS = [
  '/events',
  '/api/v1/doctors',
  '/api/v1/appointments',
  '/api/v1/audit',
  '/api/v1/hospitals',
  '/api/v1/hospitals/jobs',
  '/api/v1/patients/bulk',
]

test.each(
  LISTS.flatMap((list) => ['1001', '5000', '999999999999999'].map((limit) => [list, limit] as const)),
)('%s?limit=%s is the largest page, as older clients expect', async (list, limit) => {
  const desk = await openFrontDesk()
  expect((await desk.get(`${list}?limit=${limit}`)).status).toBe(200)
})

test('a page of test records beyond the maximum has 1,000, and Link leads to the rest', async () => {
  const desk = await openFrontDesk()
  const record = { patient_id: 'p', clinic_id: desk.clinicId, test_type: 'b', result: 'r' }
  for (const hundred of times(11, (n) => n))
    await Promise.all(times(100, (n) => desk.post('/tests', { ...record, test_id: `t${hundred}-${n}` })))
  const first = await desk.get(`/tests?clinic_id=${desk.clinicId}&limit=5000`)
  expect(first.body).toHaveLength(1_000)
  const [, next] = /^<(.+)>; rel="next"$/.exec(first.headers.get('Link') ?? '') ?? []
  expect(next).toMatch(/^\/tests\?/)
  expect((await desk.get(next ?? '')).body).toHaveLength(100)
})

test('Link is relative, so that no Host and no proxy can send a client elsewhere', async () => {
  const desk = await openFrontDesk()
  await Promise.all(times(3, (n) => desk.post('/api/v1/doctors', { name: 'D', code: `D${n}` })))
  const forged = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'gopher' }
  for (const list of ['/api/v1/doctors', '/api/v1/audit']) {
    const { headers } = await desk.get(`${list}?limit=1`, forged)
    expect(headers.get('Link')).toMatch(new RegExp(`^<${list}\\?limit=1&cursor=[\\w-]+>; rel="next"$`))
  }
})
