import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, DAY, openClinic, openFrontDesk } from './clinic'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const kv = Object.getPrototypeOf(env.REPLIES) as KVNamespace
const d1 = Object.getPrototypeOf(env.DB) as D1Database

const post = (clinic: Client, testId: string, key: string) =>
  clinic.post(
    '/tests',
    { test_id: testId, patient_id: 'p', clinic_id: clinic.clinicId, test_type: 'CBC', result: 'Normal' },
    { 'Idempotency-Key': key },
  )

const keptReplies = async () => (await env.REPLIES.list()).keys.length

/** Posts once, and returns when KV has the reply. */
async function postAndKeep(clinic: Client) {
  const before = await keptReplies()
  const first = await post(clinic, 't', 'k')
  await soon(async () => expect(await keptReplies()).toBe(before + 1))
  return first
}

test('a KV that never answers delays nothing: a new key takes effect, and a repeated one gets the first answer', async () => {
  const desk = await openFrontDesk()
  vi.spyOn(kv, 'get').mockImplementation((() => new Promise(() => {})) as never)
  const first = await desk.book({ date: DAY, idempotency_key: 'k' })
  const again = await desk.book({ date: DAY, idempotency_key: 'k' })
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
})

test('while D1 is gone a repeated key gets the first answer from KV, and a new key is 503', async () => {
  const clinic = await openClinic()
  const first = await postAndKeep(clinic)
  vi.spyOn(d1, 'batch').mockRejectedValue(new Error('D1_ERROR: Network connection lost.'))
  const [again, other] = await Promise.all([post(clinic, 't', 'k'), post(clinic, 'u', 'l')])
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  expect(other.status).toBe(503)
})

test('the key with another request is 422 while D1 is gone, too: KV knows the first one', async () => {
  const clinic = await openClinic()
  await postAndKeep(clinic)
  vi.spyOn(d1, 'batch').mockRejectedValue(new Error('D1_ERROR: Network connection lost.'))
  const get = kv.get
  // KV is the slower one, so that the failure of D1 is there first.
  vi.spyOn(kv, 'get').mockImplementation(async function (this: KVNamespace, ...asked: never[]) {
    await scheduler.wait(50)
    return Reflect.apply(get, this, asked)
  } as never)
  expect((await post(clinic, 'u', 'k')).status).toBe(422)
})

test('a kept answer stops counting before its key ends: it never answers for a key that is free again', async () => {
  const clinic = await openClinic()
  await postAndKeep(clinic)
  const dayLater = Date.now() + 86_400_000
  vi.useFakeTimers({ toFake: ['Date'], now: dayLater - 4_000 })
  const late = await post(clinic, 't', 'k')
  // D1 still has the key, so the answer is the same; it is D1 that gives it.
  expect(late.status).toBe(201)
  vi.setSystemTime(dayLater + 1_000)
  expect((await post(clinic, 'u', 'k')).status).toBe(201)
})
