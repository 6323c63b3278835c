import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import worker from '../src/index'
import type { Client } from './clinic'

/** What the directory does with one call: before or instead of creating, or after it. */
export type Behaviour =
  | 'success'
  | 'conflict'
  | 'refusal'
  | 'error_500'
  | 'error_502'
  | 'error_503'
  | 'error_429'
  | 'reset_before'
  | 'reset_after'
  | 'timeout_after'
  | 'truncated'
  | 'html'
  | 'redirect'
  | 'huge'

interface Seen {
  key: string
  name: string
}

let directories = 0

/**
 * A directory of hospitals as another service keeps it. It honours the Idempotency-Key, and counts what it
 * created by that key, so a doubled hospital shows. `next` says how it behaves for a name on its n-th call.
 */
export function standIn(next: (name: string, call: number) => Behaviour = () => 'success') {
  const url = `https://directory-${++directories}.test/api`
  const seen: Seen[] = []
  const created = new Map<string, { id: string; name: string }>()
  const activated: string[] = []
  let activation: () => Behaviour = () => 'success'
  const real = AbortSignal.timeout
  vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => real.call(AbortSignal, 40))
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const [path, headers] = [String(input).replace(url, ''), new Headers(init?.headers)]
    if (init?.redirect !== 'manual' || !init.signal) throw new Error('Unsafe call')
    const key = headers.get('Idempotency-Key') ?? ''
    if (init.method === 'PATCH') {
      const behaviour = activation()
      if (behaviour === 'success') activated.push(path.split('/')[3] ?? '')
      return answer(behaviour, new Response(null, { status: 204 }), init.signal)
    }
    const body = JSON.parse(String(init.body)) as { name: string }
    seen.push({ key, name: body.name })
    const behaviour = next(body.name, seen.filter((one) => one.name === body.name).length)
    if (CREATES.includes(behaviour) && !created.has(key))
      created.set(key, { id: `there-${created.size + 1}`, name: body.name })
    const made = { ...body, phone: null, is_active: false, id: created.get(key)?.id }
    return answer(behaviour, Response.json(made, { status: 201 }), init.signal)
  })
  return {
    url,
    seen,
    activated,
    /** How many hospitals stand there under each name. */
    counts: () =>
      [...created.values()].reduce<Record<string, number>>((counts, { name }) => {
        counts[name] = (counts[name] ?? 0) + 1
        return counts
      }, {}),
    onActivation: (behave: () => Behaviour) => {
      activation = behave
    },
    settings: { HOSPITAL_DIRECTORY_URL: url } as unknown as Partial<Env>,
  }
}

const CREATES: Behaviour[] = ['success', 'reset_after', 'timeout_after', 'truncated', 'html', 'huge']

async function answer(behaviour: Behaviour, success: Response, signal: AbortSignal): Promise<Response> {
  const status = (code: number, headers = {}) => new Response('{}', { status: code, headers })
  if (behaviour === 'success') return success
  if (behaviour === 'conflict') return status(409)
  if (behaviour === 'refusal') return status(422)
  if (behaviour === 'error_500') return status(500)
  if (behaviour === 'error_502') return status(502)
  if (behaviour === 'error_503') return status(503, { 'Retry-After': '7' })
  if (behaviour === 'error_429') return status(429, { 'Retry-After': '7' })
  if (behaviour === 'truncated') return new Response('{"id":"there-', { status: 201 })
  if (behaviour === 'html') return new Response('<html>Welcome</html>', { status: 200 })
  if (behaviour === 'redirect') return status(307, { Location: 'https://elsewhere.test/' })
  if (behaviour === 'huge') return new Response(padded(await success.arrayBuffer()), { status: 200 })
  if (behaviour === 'timeout_after')
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  throw new TypeError('Network connection lost')
}

/** A good answer in 20 MB of a body, as far as anybody reads it. */
function padded(head: ArrayBuffer): ReadableStream<Uint8Array> {
  let left = 20 * 16
  return new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(head)),
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(64 * 1024).fill(32))
      else controller.close()
    },
  })
}

/** Asks the Worker under other settings to change something. */
export async function sendUnder(settings: Partial<Env>, clinic: Client, path: string) {
  const headers = { Authorization: `Bearer ${clinic.key}` }
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
    method: 'PATCH',
    headers,
  })
  return worker.fetch(request, { ...env, ...settings }, createExecutionContext())
}

/** Hands chunks of a job to the consumer under other settings, in so many copies, as the queue might. */
export async function deliverUnder(settings: Partial<Env>, jobId: string, { chunks = [0], copies = 1 } = {}) {
  const bodies = chunks.map((chunk) => ({ job_id: jobId, chunk }))
  const outcomes = { acked: 0, retried: 0 }
  const message = (body: object) => ({
    id: 'm',
    timestamp: new Date(),
    attempts: 1,
    body,
    ack: () => {
      outcomes.acked += 1
    },
    retry: () => {
      outcomes.retried += 1
    },
  })
  const deliveries = Array.from({ length: copies }, () =>
    worker.queue(
      { queue: 'doctorday-import-chunks', messages: bodies.map(message) } as unknown as MessageBatch<unknown>,
      { ...env, ...settings },
    ),
  )
  await Promise.all(deliveries)
  return outcomes
}

/** What became of each row of a job, by row. */
export async function rowsOf(jobId: string) {
  const { results } = await env.DB.prepare(
    'SELECT row, status, reason, record_id, tries FROM staged_rows WHERE job_id = ? ORDER BY row',
  )
    .bind(jobId)
    .all<{
      row: number
      status: string | null
      reason: string | null
      record_id: string | null
      tries: number
    }>()
  return results
}

/** Sets the clock forward; what waits in real time goes on doing so. */
export function advance(ms: number): void {
  vi.setSystemTime(Date.now() + ms)
}

/**
 * Delivers again and again, each time after what a backoff or a short pause may take, until the job is over.
 */
export async function runToEnd(clinic: Client, settings: Partial<Env>, jobId: string, copies = 1) {
  for (let round = 0; round < 60; round += 1) {
    await deliverUnder(settings, jobId, { copies })
    const { body } = await clinic.get(`/api/v1/hospitals/status/${jobId}`)
    if (body.status === 'completed' || body.status === 'failed') return body
    advance(61_000)
  }
  throw new Error('The job does not end')
}
