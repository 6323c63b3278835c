import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import worker from '../src/index'
import type { Client, Reply } from './clinic'

export const HOSPITALS = '/api/v1/hospitals'

export interface ChunkBody {
  job_id: string
  chunk: number
}

let keys = 0
export const newKey = (): string => `upload-${++keys}`

export const csv = (...rows: string[]): string => ['name,address,phone', ...rows, ''].join('\n')

/** `count` hospitals, all different. */
export const manyRows = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, n) => `Hospital ${from + n},${from + n} Main Street,202 555 0100`)

/** Uploads as a browser's form does. */
export function upload(
  clinic: Client,
  file: string | Uint8Array,
  { key = newKey(), name = 'hospitals.csv' } = {},
) {
  const form = new FormData()
  form.set('file', new File([file], name))
  return clinic.send('POST', `${HOSPITALS}/bulk`, form, { 'Idempotency-Key': key })
}

/** Uploads to a Worker whose settings are other ones. */
export async function uploadUnder(
  settings: Partial<Env>,
  clinic: Client,
  body: BodyInit,
  headers: Record<string, string> = {},
) {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${HOSPITALS}/bulk`, {
    method: 'POST',
    body,
    headers: {
      Authorization: `Bearer ${clinic.key}`,
      'Idempotency-Key': newKey(),
      ...(!(body instanceof FormData) && { 'Content-Type': 'text/csv' }),
      ...headers,
    },
  })
  const context = createExecutionContext()
  const response = await worker.fetch(request, { ...env, ...settings }, context)
  await waitOnExecutionContext(context)
  return { status: response.status, headers: response.headers, body: await response.json<Reply['body']>() }
}

/** Uploads the file as the body itself. */
export const uploadRaw = (clinic: Client, body: BodyInit, key = newKey()): Promise<Reply> =>
  clinic.send('POST', `${HOSPITALS}/bulk`, body, { 'Idempotency-Key': key, 'Content-Type': 'text/csv' })

export const statusOf = (clinic: Client, jobId: string): Promise<Reply> =>
  clinic.get(`${HOSPITALS}/status/${jobId}`)

/**
 * Replaces the queue by a list, empty to begin with: what would have been sent is kept, and nothing is
 * delivered behind a test's back.
 */
export function heldQueue(sent: ChunkBody[] = []): ChunkBody[] {
  sent.length = 0
  queueSpy().mockImplementation(async (messages) => {
    for (const { body } of messages) sent.push(body as ChunkBody)
    return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } } as never
  })
  return sent
}

/** The chunks of one job that were sent: a job's alarm sends again what waits, so how often is no matter. */
export const chunksSent = (sent: ChunkBody[], jobId: string): number[] =>
  [...new Set(sent.filter(({ job_id }) => job_id === jobId).map(({ chunk }) => chunk))].sort()

export const queueSpy = () =>
  vi.spyOn(Object.getPrototypeOf(env.IMPORT_CHUNKS) as typeof env.IMPORT_CHUNKS, 'sendBatch')

/** Hands messages to the consumer as one batch, and tells what it did with them. */
export async function deliver(bodies: unknown[]) {
  const messages = bodies.map((body, n) => ({ id: `m${n}`, timestamp: new Date(), attempts: 1, body }))
  const batch = createMessageBatch('doctorday-import-chunks', messages)
  const context = createExecutionContext()
  await worker.queue(batch, env)
  return getQueueResult(batch, context)
}

/** Uploads, delivers every message once, and answers the job's status. */
export async function imported(clinic: Client, file: string): Promise<Reply> {
  const sent = heldQueue()
  const { body } = await upload(clinic, file)
  await deliver(sent)
  return statusOf(clinic, body.job_id)
}

/** How many rows of each table belong to a clinic or one of its jobs. */
export async function leftOf(clinic: Client): Promise<Record<string, number>> {
  const count = async (table: string, column: string, value: string) =>
    (await env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${column} = ?`)
      .bind(value)
      .first('n')) as number
  return {
    imports: await count('imports', 'clinic_id', clinic.clinicId),
    chunks: await count('import_chunks', 'clinic_id', clinic.clinicId),
    keys: await count('idempotency_keys', 'clinic_id', clinic.clinicId),
    hospitals: await count('hospitals', 'clinic_id', clinic.clinicId),
  }
}

/** Rows that belong to no job at all. */
export const strayRows = async (): Promise<number> =>
  (await env.DB.prepare(
    'SELECT count(*) AS n FROM staged_rows WHERE job_id NOT IN (SELECT id FROM imports)',
  ).first('n')) as number

export const NOTHING = { imports: 0, chunks: 0, keys: 0, hospitals: 0 }

export const refused = (reply: Pick<Reply, 'status' | 'body'>) => ({
  status: reply.status,
  type: reply.body.type,
  message: reply.body.message,
})
export const badFile = (message: unknown) => ({
  status: 400,
  type: '/problems/invalid_file',
  message,
})

export async function expectNothingLeft(clinic: Client) {
  expect(await leftOf(clinic)).toEqual(NOTHING)
  expect(await strayRows()).toBe(0)
}

export const utf8 = (text: string) => new TextEncoder().encode(text)

const HOUR_MS = 3_600_000

/**
 * The clock runs an hour ahead, so that no alarm rings but those a test rings itself. Otherwise, on a slow
 * machine, the alarms of this test's job and of earlier tests' jobs send messages into the test that runs.
 */
function runAhead(): void {
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + HOUR_MS)
}

/**
 * In each test of the file: nothing is delivered behind its back, no alarm rings by itself, and what it wrapped
 * is itself again after it. Answers the list of what the running test would have sent.
 */
export function holdTheQueue(): ChunkBody[] {
  const sent: ChunkBody[] = []
  beforeEach(() => {
    runAhead()
    heldQueue(sent)
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })
  return sent
}
