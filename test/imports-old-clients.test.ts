import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic } from './clinic'
import {
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  imported,
  newKey,
  queueSpy,
  statusOf,
  upload,
} from './directory'

holdTheQueue()

const activate = (clinic: Client, batchId: string) =>
  clinic.send('PATCH', `${HOSPITALS}/bulk/batch/${batchId}/activate`)

test('an activation answers error_message: null, the first time and again', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,', 'a,b,'))
  const replies = [await activate(clinic, body.result.batch_id), await activate(clinic, body.result.batch_id)]
  for (const reply of replies)
    expect(reply.body).toEqual({
      batch_id: body.result.batch_id,
      activated: true,
      message: expect.any(String),
      error_message: null,
    })
})

test('each summary of a list has the processing time that the status has, and null before it begins', async () => {
  const clinic = await openClinic()
  const waiting = await upload(clinic, csv('C,D,'))
  const done = await imported(clinic, csv('A,B,'))
  const { jobs } = (await clinic.get(`${HOSPITALS}/jobs`)).body
  const secondsOf = (id: string) =>
    jobs.find(({ job_id }: { job_id: string }) => job_id === id).processing_time_seconds
  expect(secondsOf(done.body.job_id)).toBe(done.body.processing_time_seconds)
  expect(secondsOf(done.body.job_id)).toEqual(expect.any(Number))
  expect(secondsOf(waiting.body.job_id)).toBeNull()
  const sent = heldQueue()
  const people = await clinic.send('POST', '/api/v1/patients/bulk', 'name,phone\nAda,2025550101\n', {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  await deliver(sent.splice(0))
  const [person] = (await clinic.get('/api/v1/patients/bulk')).body.jobs
  expect(person).toMatchObject({ job_id: people.body.job_id, processing_time_seconds: expect.any(Number) })
})

test('error_type says what kind of error it is, on the routes of hospitals and no others', async () => {
  const clinic = await openClinic()
  const running = (await upload(clinic, csv('A,B,'))).body.job_id
  const reader = await keyFor(clinic.clinicId, ['patients:read'])
  const type = (reply: { status: number; body: { error_type?: string } }) => [
    reply.status,
    reply.body.error_type,
  ]
  const key = newKey()
  await upload(clinic, csv('E,F,'), { key })
  const told = [
    await upload(clinic, csv(',B,')),
    await upload(clinic, 'name\nA\n'),
    await upload(clinic, ''),
    await upload(clinic, csv('A,B,'), { name: 'a.xlsx' }),
    await clinic.send('POST', `${HOSPITALS}/bulk`, csv('A,B,'), { 'Content-Type': 'text/csv' }),
    await upload(clinic, csv('G,H,'), { key }),
    await statusOf(clinic, crypto.randomUUID()),
    await clinic.post(`${HOSPITALS}/jobs/${running}/resume`),
    await reader.get(`${HOSPITALS}/jobs`),
  ]
  expect(told.map(type)).toEqual([
    [400, 'validation_error'],
    [400, 'validation_error'],
    [400, 'file_error'],
    [400, 'file_error'],
    [400, 'validation_error'],
    [422, 'validation_error'],
    [404, 'not_found'],
    [409, 'conflict'],
    [403, 'permission_error'],
  ])
  queueSpy().mockRejectedValue(new Error('queue is down'))
  expect(type(await upload(clinic, csv('I,J,')))).toEqual([503, 'service_unavailable'])
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockRejectedValue(new Error('a bug'))
  expect(type(await clinic.get(`${HOSPITALS}/jobs`))).toEqual([500, 'internal_error'])
  vi.restoreAllMocks()
  expect((await clinic.get('/api/v1/patients/nobody')).body).not.toHaveProperty('error_type')
})

test('the status of an import whose batch stayed inactive names the call that activates it, until it has', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,', 'a,b,'))
  const [, path = ''] = /listed after PATCH (\S+)$/.exec(body.message) ?? []
  expect(path).toBe(`${HOSPITALS}/bulk/batch/${body.result.batch_id}/activate`)
  expect((await clinic.send('PATCH', path)).body).toMatchObject({ activated: true })
  expect((await statusOf(clinic, body.job_id)).body.message).not.toContain('PATCH')
})

test.each([
  ['whose rows all succeeded', csv('A,B,')],
  ['that created nothing', csv('Known,1,')],
])('the status of an import %s names no call', async (_, file) => {
  const clinic = await openClinic()
  await imported(clinic, csv('Known,1,'))
  expect((await imported(clinic, file)).body.message).not.toContain('PATCH')
})
