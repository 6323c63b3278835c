import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { openFrontDesk, times } from './clinic'
import { follow, livePath } from './followers'

const DAY = '2040-03-14'
/** As many as one day takes, and some more. */
const HEADS = 210

test('however many HEADs a live queue gets, they open no stream and lock nobody out', async () => {
  const desk = await openFrontDesk()
  await desk.book({ date: DAY })
  const path = livePath(desk, { date: DAY })
  const get = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get')
  const heads = await Promise.all(times(HEADS, () => desk.send('HEAD', path)))
  expect(new Set(heads.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 ']))
  expect(get).not.toHaveBeenCalled()
  get.mockRestore()
  const follower = await follow('event stream', path, { headers: { Authorization: `Bearer ${desk.key}` } })
  await vi.waitFor(() => expect(follower.messages).toMatchObject([{ type: 'snapshot' }]))
  await follower.cut()
})

test('a HEAD with a made-up ticket reaches no object, and needs a key like any other HEAD', async () => {
  const desk = await openFrontDesk()
  const get = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get')
  const path = `${livePath(desk, { date: DAY })}&ticket=${'0'.repeat(20)}.${'A'.repeat(43)}`
  expect((await desk.send('HEAD', path, null, { Authorization: '' })).status).toBe(401)
  expect(get).not.toHaveBeenCalled()
})

test('the live progress of an import answers a HEAD with its headers alone', async () => {
  const desk = await openFrontDesk()
  const form = { 'Content-Type': 'text/csv', 'Idempotency-Key': 'k' }
  for (const [upload, live, file] of [
    ['/api/v1/hospitals/bulk', '/api/v1/hospitals/status', 'name,address\nA,B\n'],
    ['/api/v1/patients/bulk', '/api/v1/patients/bulk', 'name,phone\nA,2025550101\n'],
  ] as const) {
    const { body } = await desk.send('POST', upload, file, form)
    const head = await desk.send('HEAD', `${live}/${body.job_id}/live`)
    expect([head.status, head.text, head.headers.get('Content-Type')]).toEqual([200, '', 'text/event-stream'])
  }
})
