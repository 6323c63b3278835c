import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { openClinic, statuses, times } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  expectNothingLeft,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  leftOf,
  manyRows,
  newKey,
  queueSpy,
  statusOf,
  strayRows,
  upload,
  uploadRaw,
  utf8,
} from './directory'
import { soon } from './soon'

holdTheQueue()

test('a file is accepted with 202 and exactly the four fields of the contract', async () => {
  const clinic = await openClinic()
  const reply = await upload(clinic, csv(...manyRows(3)))
  expect(reply.status).toBe(202)
  expect(reply.body).toEqual({
    job_id: expect.any(String),
    status: 'pending',
    message: expect.stringContaining('Use the job_id to check status'),
    total_hospitals: 3,
  })
})

test('the file may be the body itself', async () => {
  const clinic = await openClinic()
  expect(await uploadRaw(clinic, csv(...manyRows(2)))).toMatchObject({
    status: 202,
    body: { total_hospitals: 2 },
  })
})

test('one message per chunk of a thousand rows is sent', async () => {
  const clinic = await openClinic()
  const sent = heldQueue()
  const { body } = await upload(clinic, csv(...manyRows(2_001)))
  expect(chunksSent(sent, body.job_id)).toEqual([0, 1, 2])
})

test.each([
  ['missing', {}],
  ['blank', { 'Idempotency-Key': '   ' }],
])('an Idempotency-Key that is %s is refused by name', async (_, headers) => {
  const clinic = await openClinic()
  const form = new FormData()
  form.set('file', new File([csv('A,B,')], 'a.csv'))
  const reply = await clinic.send('POST', `${HOSPITALS}/bulk`, form, headers as HeadersInit)
  expect(reply).toMatchObject({
    status: 400,
    body: { type: '/problems/idempotency_key_required' },
  })
  await expectNothingLeft(clinic)
})

test('the same key and file again get the first reply byte for byte, and no second job', async () => {
  const clinic = await openClinic()
  const key = newKey()
  const first = await upload(clinic, csv(...manyRows(3)), { key })
  const again = await upload(clinic, csv(...manyRows(3)), { key })
  expect(again).toMatchObject({ status: 202, text: first.text })
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  expect(again.headers.get('Content-Type')).toBe(first.headers.get('Content-Type'))
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
})

test('the same holds where KV has forgotten the reply', async () => {
  const clinic = await openClinic()
  vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockRejectedValue(new Error('KV is out'))
  const key = newKey()
  const first = await upload(clinic, csv(...manyRows(3)), { key })
  const again = await upload(clinic, csv(...manyRows(3)), { key })
  expect(again).toMatchObject({ status: 202, text: first.text })
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
  expect(await strayRows()).toBe(0)
})

test('ten equal uploads race: one job, ten equal replies', async () => {
  const clinic = await openClinic()
  const key = newKey()
  const replies = await Promise.all(times(10, () => upload(clinic, csv(...manyRows(600)), { key })))
  expect(statuses(replies)).toEqual({ 202: 10 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect(await leftOf(clinic)).toMatchObject({ imports: 1, chunks: 1 })
  expect(await strayRows()).toBe(0)
})

test.each(['with KV', 'without KV'])('a key that belongs to another file is refused, %s', async (kv) => {
  const clinic = await openClinic()
  if (kv === 'without KV')
    vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
  const key = newKey()
  await upload(clinic, csv('A,B,'), { key })
  expect(await upload(clinic, csv('C,D,'), { key })).toMatchObject({
    status: 422,
    body: { type: '/problems/idempotency_key_reused' },
  })
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
  expect(await strayRows()).toBe(0)
})

test('the same key of another clinic is another key', async () => {
  const [one, other] = [await openClinic(), await openClinic()]
  const key = newKey()
  const replies = [await upload(one, csv('A,B,'), { key }), await upload(other, csv('C,D,'), { key })]
  expect(statuses(replies)).toEqual({ 202: 2 })
})

test('a refused file does not spend its key', async () => {
  const clinic = await openClinic()
  const key = newKey()
  expect((await upload(clinic, csv(',B,'), { key })).status).toBe(400)
  expect((await upload(clinic, csv('A,B,'), { key })).status).toBe(202)
})

const TWO_SECONDS_MS = 2_000

test.each<[string, () => Promise<void>]>([
  ['refuses', () => Promise.reject(new Error('queue is down'))],
  ['answers only after two seconds', () => new Promise((done) => setTimeout(done, TWO_SECONDS_MS))],
])(
  'a queue that %s: 503 in two seconds with Retry-After, no job, and the key works later',
  async (_, send) => {
    const clinic = await openClinic()
    const key = newKey()
    const asked = Promise.withResolvers<void>()
    queueSpy().mockImplementation(async () => {
      asked.resolve()
      return (await send()) as never
    })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const waiting = upload(clinic, csv(...manyRows(3)), { key })
    await asked.promise
    await vi.advanceTimersByTimeAsync(TWO_SECONDS_MS)
    vi.useRealTimers()
    const reply = await waiting
    expect(reply).toMatchObject({ status: 503, body: { type: '/problems/unavailable' } })
    expect(Number(reply.headers.get('Retry-After'))).toBeGreaterThan(0)
    await expectNothingLeft(clinic)
    expect((await clinic.get(`${HOSPITALS}/jobs`)).body).toEqual({ total_jobs: 0, jobs: [] })
    heldQueue()
    expect((await upload(clinic, csv(...manyRows(3)), { key })).status).toBe(202)
  },
)

test('equal uploads that race while the queue is dead all get 503 and leave nothing', async () => {
  const clinic = await openClinic()
  const key = newKey()
  queueSpy().mockRejectedValue(new Error('queue is down'))
  const replies = await Promise.all(times(5, () => upload(clinic, csv(...manyRows(3)), { key })))
  expect(statuses(replies)).toEqual({ 503: 5 })
  await expectNothingLeft(clinic)
})

test('where one of two equal uploads withdraws the job, the other is not promised it', async () => {
  const clinic = await openClinic()
  const key = newKey()
  let arrive = () => {}
  const slow = new Promise<never>((resolve) => {
    arrive = () => resolve(undefined as never)
  })
  let sent = 0
  queueSpy().mockImplementation(async () => {
    sent += 1
    if (sent === 1) return slow
    throw new Error('queue is down')
  })
  const first = upload(clinic, csv('A,B,'), { key })
  await soon(() => expect(sent).toBe(1))
  const second = await upload(clinic, csv('A,B,'), { key })
  arrive()
  expect(statuses([await first, second])).toEqual({ 503: 2 })
  await expectNothingLeft(clinic)
})

test('where a send fails but its message came through, the job stands', async () => {
  const clinic = await openClinic()
  queueSpy().mockImplementation(async (messages) => {
    await deliver([...messages].map(({ body }) => body))
    throw new Error('the answer was lost')
  })
  const { status, body } = await upload(clinic, csv('A,B,'))
  expect(status).toBe(202)
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('completed')
})

test('rows of an upload that crashed are removed by the alarm, once no upload can take so long', async () => {
  const clinic = await openClinic()
  const jobId = crypto.randomUUID()
  await env.DB.prepare(`INSERT INTO staged_rows (job_id, row, cells, identity) VALUES (?, 2, '{}', 'a')`)
    .bind(jobId)
    .run()
  const job = env.BULK_JOB.getByName(jobId)
  await job.watch(clinic.clinicId, Date.now() + 60_000)
  await runDurableObjectAlarm(job)
  expect(await strayRows()).toBe(1)
  await job.watch(clinic.clinicId, Date.now() - 1)
  await runDurableObjectAlarm(job)
  expect(await strayRows()).toBe(0)
  expect(await runDurableObjectAlarm(job)).toBe(false)
})

test('an upload whose rows were removed while it went on cannot become a job', async () => {
  const clinic = await openClinic()
  const key = newKey()
  let isOpen = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!isOpen) controller.enqueue(utf8(csv(...manyRows(2_000))))
      else {
        await soon(async () => expect(await strayRows()).toBeGreaterThan(0))
        await env.DB.prepare('DELETE FROM staged_rows WHERE job_id NOT IN (SELECT id FROM imports)').run()
        controller.enqueue(utf8('Last,Street,\n'))
        controller.close()
      }
      isOpen = true
    },
  })
  expect((await uploadRaw(clinic, body, key)).status).toBe(503)
  await expectNothingLeft(clinic)
  expect((await uploadRaw(clinic, csv('A,B,'), key)).status).toBe(202)
})

test('a key without the scope hospitals:write may not upload', async () => {
  const reader = await openClinic({ scopes: ['hospitals:read'] })
  expect((await upload(reader, csv('A,B,'))).status).toBe(403)
  expect((await reader.get(`${HOSPITALS}/jobs`)).status).toBe(200)
})
