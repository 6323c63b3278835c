import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Client, openClinic, type Reply, times } from './clinic'
import {
  csv,
  deliver,
  HOSPITALS,
  holdTheQueue,
  imported,
  leftOf,
  manyRows,
  statusOf,
  upload,
} from './directory'

const sent = holdTheQueue()

const activate = (clinic: Client, batchId: string): Promise<Reply> =>
  clinic.send('PATCH', `${HOSPITALS}/bulk/batch/${batchId}/activate`)

const all = (clinic: Client): Promise<Reply> => clinic.get(`${HOSPITALS}?limit=1000`)

const batchOf = async (clinic: Client): Promise<string> =>
  (await clinic.get(`${HOSPITALS}/jobs`)).body.jobs[0].batch_id

test('a job goes pending, completed; its status has every field of the contract', async () => {
  const clinic = await openClinic()
  const { body: accepted } = await upload(clinic, csv(...manyRows(2)))
  const waiting = await statusOf(clinic, accepted.job_id)
  expect(waiting).toMatchObject({ status: 200 })
  expect(waiting.body).toEqual({
    job_id: accepted.job_id,
    status: 'pending',
    total_hospitals: 2,
    processed_hospitals: 0,
    failed_hospitals: 0,
    progress_percentage: 0,
    message: expect.any(String),
    started_at: null,
    completed_at: null,
    processing_time_seconds: null,
    result: null,
    error: null,
    paused_until: null,
  })
  await deliver(sent)
  const done = await statusOf(clinic, accepted.job_id)
  expect(done.headers.get('Content-Type')).toMatch(/^application\/json/)
  expect(done.body).toEqual({
    job_id: accepted.job_id,
    status: 'completed',
    total_hospitals: 2,
    processed_hospitals: 2,
    failed_hospitals: 0,
    progress_percentage: 100,
    message: expect.any(String),
    started_at: expect.stringMatching(/^\d{4}-.*Z$/),
    completed_at: expect.stringMatching(/^\d{4}-.*Z$/),
    processing_time_seconds: expect.any(Number),
    result: {
      batch_id: expect.any(String),
      total_hospitals: 2,
      processed_hospitals: 2,
      failed_hospitals: 0,
      processing_time_seconds: expect.any(Number),
      batch_activated: true,
      hospitals: [
        { row: 2, name: 'Hospital 0', status: 'created_and_activated' },
        { row: 3, name: 'Hospital 1', status: 'created_and_activated' },
      ],
    },
    error: null,
    paused_until: null,
  })
})

test('between chunks the job is processing, and tells how far it is', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3_000)))
  await deliver(sent.slice(1, 2))
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'processing',
    processed_hospitals: 1_000,
    progress_percentage: 33.33,
    started_at: expect.any(String),
    completed_at: null,
    result: null,
  })
  expect((await all(clinic)).body).toEqual([])
})

test('every message three times, in any order and at once: one hospital per row, exact totals', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(
        times(12, (n) => n),
        { minLength: 12 },
      ),
      async (order) => {
        const clinic = await openClinic()
        const { body } = await upload(clinic, csv(...manyRows(3_500), ...manyRows(10, 5)))
        const { job_id } = body
        const messages = order.map((n) => ({ job_id, chunk: n % 4 }))
        await Promise.all(times(4, (part) => deliver(messages.slice(part * 3, part * 3 + 3))))
        expect((await statusOf(clinic, job_id)).body).toMatchObject({
          status: 'completed',
          processed_hospitals: 3_500,
          failed_hospitals: 10,
        })
        expect(await leftOf(clinic)).toMatchObject({ hospitals: 3_500 })
      },
    ),
    { numRuns: 5 },
  )
})

test('of duplicates in a file the first row wins, whichever chunk runs first', async () => {
  const clinic = await openClinic()
  const { body } = await upload(
    clinic,
    csv('Mercy,1 High St,', ...manyRows(1_500), '"  mercy ","1  HIGH  st",202 555 0111'),
  )
  await deliver(sent.slice(1))
  await deliver(sent.slice(0, 1))
  const { result } = (await statusOf(clinic, body.job_id)).body
  expect(result).toMatchObject({ processed_hospitals: 1_501, failed_hospitals: 1, batch_activated: false })
  expect(result.hospitals).toHaveLength(1_502)
  expect(result.hospitals[0]).toEqual({ row: 2, name: 'Mercy', status: 'created' })
  expect(result.hospitals[1_501]).toEqual({
    row: 1_503,
    name: 'mercy',
    status: 'failed',
    reason: 'duplicate_in_file',
  })
})

test('what the directory has already fails its row with a reason, not the job', async () => {
  const clinic = await openClinic()
  await imported(clinic, csv('Mercy,1 High St,', 'Hope,2 High St,'))
  const { body } = await imported(clinic, csv('MERCY,1 high st,', 'Mercy,9 Other St,'))
  expect(body).toMatchObject({
    status: 'completed',
    processed_hospitals: 1,
    failed_hospitals: 1,
    error: null,
  })
  expect(body.result.hospitals).toEqual([
    { row: 2, name: 'MERCY', status: 'failed', reason: 'duplicate_in_directory' },
    { row: 3, name: 'Mercy', status: 'created' },
  ])
})

test('two files with the same hospitals at once: each hospital once, each row accounted for', async () => {
  const clinic = await openClinic()
  const rows = manyRows(1_500)
  await Promise.all([upload(clinic, csv(...rows)), upload(clinic, csv(...rows.reverse()))])
  await Promise.all(sent.map((message) => deliver([message])))
  const { jobs } = (await clinic.get(`${HOSPITALS}/jobs`)).body
  const sum = (field: string) =>
    jobs.reduce((total: number, job: Record<string, number>) => total + (job[field] ?? 0), 0)
  expect([sum('processed_hospitals'), sum('failed_hospitals')]).toEqual([1_500, 1_500])
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 1_500 })
})

test('the phone is kept as given, with E.164 beside it where it can be read', async () => {
  const clinic = await openClinic({ country: 'US' })
  await imported(clinic, csv('A,1,(202) 555-0101 ', 'B,2,call the desk', 'C,3,', 'D,4,+44 20 7946 0018'))
  const { body } = await all(clinic)
  expect(body.map((hospital: Record<string, string>) => [hospital.phone, hospital.phone_e164])).toEqual([
    ['(202) 555-0101', '+12025550101'],
    ['call the desk', null],
    [null, null],
    ['+44 20 7946 0018', '+442079460018'],
  ])
})

test('a batch without failures is active by itself; activating it again says the same', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,'))
  const { batch_id } = body.result
  const replies = [await activate(clinic, batch_id), await activate(clinic, batch_id)]
  expect(replies[0]).toMatchObject({ status: 200, body: { batch_id, activated: true } })
  expect(replies[1]?.text).toBe(replies[0]?.text)
})

test('a batch with a failed row waits for somebody to activate it, and then its rows say so', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,', 'a,b,'))
  expect((await all(clinic)).body).toEqual([])
  expect(await activate(clinic, body.result.batch_id)).toMatchObject({
    status: 200,
    body: { activated: true },
  })
  expect((await all(clinic)).body).toMatchObject([{ name: 'A', is_active: true }])
  const { result } = (await statusOf(clinic, body.job_id)).body
  expect(result.batch_activated).toBe(true)
  expect(result.hospitals.map(({ status }: { status: string }) => status)).toEqual([
    'created_and_activated',
    'failed',
  ])
})

test('a batch whose import runs cannot be activated', async () => {
  const clinic = await openClinic()
  await upload(clinic, csv('A,B,'))
  expect(await activate(clinic, await batchOf(clinic))).toMatchObject({
    status: 409,
    body: { type: '/problems/import_not_finished' },
  })
})

test('accepting an import and activating a batch stand in the audit, once', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,', 'a,b,'))
  await activate(clinic, body.result.batch_id)
  await activate(clinic, body.result.batch_id)
  const { body: entries } = await clinic.get('/api/v1/audit')
  expect(entries.map(({ action }: { action: string }) => action)).toEqual([
    'batch.activated',
    'import.accepted',
  ])
})
