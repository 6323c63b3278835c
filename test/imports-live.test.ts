import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import worker from '../src/index'
import { type Client, keyFor, openClinic } from './clinic'
import { csv, deliver, HOSPITALS, holdTheQueue, manyRows, newKey, upload } from './directory'
import { soon } from './soon'
import { deliverUnder, standIn } from './stand-in'

const PATIENTS = '/api/v1/patients/bulk'

const sent = holdTheQueue()

const livePath = (job: string) => `${HOSPITALS}/status/${job}/live`
const asCsv = () => ({ 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' })

/** Somebody who follows an import: what they were told so far, and how to go away. */
async function follow(clinic: Client, path: string, headers: Record<string, string> = {}) {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
    headers: { Authorization: `Bearer ${clinic.key}`, ...headers },
  })
  const response = await worker.fetch(request, env, createExecutionContext())
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (response.status !== 200 || !reader) throw new Error(`${response.status} is no stream`)
  const follower = { response, raw: '', hasEnded: false, leave: () => reader.cancel(), events }
  function events() {
    const told = [...follower.raw.matchAll(/^event: (\w+)\ndata: (.+)\n\n/gm)]
    return told.map(([, event, data]) => ({ event, ...JSON.parse(data ?? '') }))
  }
  const read = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) follower.raw += next.value
    follower.hasEnded = true
  }
  void read()
  return follower
}

type Follower = Awaited<ReturnType<typeof follow>>
const told = (follower: Follower, last: object) =>
  soon(() => expect(follower.events().at(-1)).toMatchObject(last))
const ended = (follower: Follower) => soon(() => expect(follower.hasEnded).toBe(true))

/** Each read of D1 that looks at a job. */
const looks = () => {
  const spy = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  return () => spy.mock.calls.filter(([query]) => /^select .+ from "imports"/.test(query)).length
}

test('who follows an import sees its rows counted up to its end, and then the stream ends', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2_000), 'HOSPITAL 0,0 Main Street,'))
  const follower = await follow(clinic, livePath(body.job_id))
  const counts = { job_id: body.job_id, total_hospitals: 2_001, failed_hospitals: 0 }
  await told(follower, { ...counts, event: 'progress', status: 'pending', processed_hospitals: 0 })
  await deliver(sent.slice(0, 1))
  await told(follower, {
    ...counts,
    event: 'progress',
    status: 'processing',
    processed_hospitals: 1_000,
    progress_percentage: 49.97,
    rows_per_second: expect.any(Number),
    eta_seconds: expect.any(Number),
    paused_until: null,
  })
  await deliver(sent.slice(1))
  await ended(follower)
  expect(follower.events().at(-1)).toMatchObject({
    ...counts,
    event: 'end',
    status: 'completed',
    processed_hospitals: 2_000,
    failed_hospitals: 1,
    progress_percentage: 100,
  })
  expect(follower.response.headers.get('Content-Type')).toBe('text/event-stream')
  expect(follower.response.headers.get('Cache-Control')).toBe('no-store')
})

test('an import of patients is followed in its own words, which name no patient', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.send('POST', PATIENTS, 'name,phone\nAda Lovelace,2025550101\n', asCsv())
  const follower = await follow(clinic, `${PATIENTS}/${body.job_id}/live`)
  await deliver(sent)
  await ended(follower)
  expect(follower.events().at(-1)).toMatchObject({
    total_patients: 1,
    processed_patients: 1,
    status: 'completed',
  })
  expect(follower.raw).not.toMatch(/Ada|Lovelace|2025550101/)
})

test('an import that is over is one event; who comes again with its id is told to stay away', async () => {
  const clinic = await openClinic()
  const file = csv('North,1 Main Street,', ',2 Main Street,')
  const { body } = await clinic.send('POST', `${HOSPITALS}/bulk?mode=partial`, file, asCsv())
  await deliver(sent)
  const follower = await follow(clinic, livePath(body.job_id))
  await ended(follower)
  expect(follower.events().map(({ event, status }) => [event, status])).toEqual([['end', 'completed']])
  const [, id = ''] = /^id: (.+)$/m.exec(follower.raw) ?? []
  const again = await clinic.get(livePath(body.job_id), { 'Last-Event-ID': id })
  expect([again.status, again.text]).toEqual([204, ''])
  const rows = 'name,address,row\nSouth,2 Main Street,3\n'
  expect((await clinic.send('POST', `${HOSPITALS}/jobs/${body.job_id}/rows`, rows, asCsv())).status).toBe(202)
  const repaired = await follow(clinic, livePath(body.job_id), { 'Last-Event-ID': id })
  await told(repaired, { event: 'progress', processed_hospitals: 1, failed_hospitals: 0 })
  await repaired.leave()
})

test('an import that goes row by row is followed so, and told that it rests while its directory is down', async () => {
  const clinic = await openClinic()
  const directory = standIn((name) => (/ [012]$/.test(name) ? 'success' : 'error_500'))
  const { body } = await upload(clinic, csv(...manyRows(12)))
  const follower = await follow(clinic, livePath(body.job_id))
  await deliverUnder(directory.settings, body.job_id)
  await told(follower, {
    event: 'progress',
    status: 'processing',
    processed_hospitals: 3,
    paused_until: expect.any(String),
    eta_seconds: null,
  })
  await follower.leave()
})

test('where D1 is lost midway the stream ends, and who comes again goes on', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3)))
  const follower = await follow(clinic, livePath(body.job_id))
  await told(follower, { status: 'pending' })
  const lost = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  await ended(follower)
  lost.mockRestore()
  expect(follower.events().map(({ event }) => event)).toEqual(['progress'])
  const again = await follow(clinic, livePath(body.job_id))
  await deliver(sent)
  await ended(again)
  expect(again.events().at(-1)).toMatchObject({ event: 'end', processed_hospitals: 3 })
})

test('who goes away is not worked for any more', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3)))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const looked = looks()
  const follower = await follow(clinic, livePath(body.job_id))
  await told(follower, { status: 'pending' })
  await soon(() => expect(looked()).toBeGreaterThan(1))
  await follower.leave()
  const before = looked()
  await vi.advanceTimersByTimeAsync(60_000)
  vi.useRealTimers()
  expect(looked()).toBe(before)
})

test('keeps out: no key, no scope, another clinic, another kind, a job that is not there', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const { body } = await upload(clinic, csv(...manyRows(1)))
  const path = livePath(body.job_id)
  const writer = await keyFor(clinic.clinicId, ['hospitals:write', 'patients:read'])
  expect((await clinic.get(path, { Authorization: '' })).status).toBe(401)
  expect((await writer.get(path)).status).toBe(403)
  expect((await other.get(path)).status).toBe(404)
  expect((await other.get(path, { 'Last-Event-ID': 'end' })).status).toBe(404)
  expect((await clinic.get(`${PATIENTS}/${body.job_id}/live`)).status).toBe(404)
  expect((await clinic.get(livePath(crypto.randomUUID()))).status).toBe(404)
  expect((await keyFor(clinic.clinicId, ['hospitals:read']).then((reader) => reader.get(path))).status).toBe(
    200,
  )
})
