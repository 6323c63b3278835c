import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { newKeyText } from '../src/access/key-text'
import worker from '../src/index'
import { newSecret, sha256 } from '../src/lib/crypto'
import { expectDocumented } from './conformity'

export interface Reply {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what a reply holds is what the tests are about
  body: any
  text: string
}

export interface Client {
  clinicId: string
  keyId: string
  key: string
  get(path: string, headers?: HeadersInit): Promise<Reply>
  post(path: string, body?: unknown, headers?: HeadersInit): Promise<Reply>
  send(method: string, path: string, body?: BodyInit | null, headers?: HeadersInit): Promise<Reply>
}

/** Appointments of tests are on this date or later ones, which no test run reaches: a date that is over is refused. */
export const DAY = '2040-03-14'

let opened = 0

/** A clinic of its own for one test, and a client that holds a key of it. */
export async function openClinic({
  scopes = ['*'],
  timeZone = 'UTC',
  country = 'US',
  id = '',
} = {}): Promise<Client> {
  const clinicId = id || `clinic-${++opened}-${newSecret(6).replace(/[-_]/g, 'x')}`
  await env.DB.prepare(
    'INSERT INTO clinics (id, name, time_zone, country, created_at, op_id) VALUES (?, ?, ?, ?, ?, ?)',
  )
    .bind(clinicId, 'A clinic', timeZone, country, Date.now(), newSecret())
    .run()
  return keyFor(clinicId, scopes)
}

/** Another key of a clinic, with scopes of its own. */
export async function keyFor(
  clinicId: string,
  scopes: string[],
  { id: keyId, secret } = newKeyText(env.DOCTORDAY_SECRET, crypto.randomUUID().replaceAll('-', '')),
): Promise<Client> {
  await env.DB.prepare(
    `INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, op_id)
     VALUES (?, ?, 'test', ?, ?, ?, ?)`,
  )
    .bind(keyId, clinicId, JSON.stringify(scopes), sha256(secret), Date.now(), newSecret())
    .run()
  return {
    clinicId,
    keyId,
    key: `${keyId}.${secret}`,
    ...caller({ Authorization: `Bearer ${keyId}.${secret}` }),
  }
}

/**
 * Calls the Worker's own handler, in its own runtime and with its own bindings. (The pool's `exports.default.fetch`
 * wraps each call around the ones before it: after some thousand it overflows the stack.)
 */
export function caller(usual: Record<string, string> = {}): Pick<Client, 'get' | 'post' | 'send'> {
  const send: Client['send'] = async (method, path, body, headers) => {
    const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
      method,
      headers: { ...usual, ...Object.fromEntries(new Headers(headers)) },
      ...(body == null ? {} : { body }),
    })
    const response = await worker.fetch(request, env, createExecutionContext())
    const text = await textOf(response)
    await expectDocumented(method, request.url, response, text)
    return { status: response.status, headers: response.headers, text, body: parsed(text) }
  }
  return {
    send,
    get: (path, headers) => send('GET', path, null, headers),
    post: (path, body, headers) =>
      send('POST', path, JSON.stringify(body ?? {}), { 'Content-Type': 'application/json', ...headers }),
  }
}

/** A stream of events has no end: of it, what comes first. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get('Content-Type') !== 'text/event-stream' || !response.body) return response.text()
  const reader = response.body.getReader()
  const { value } = await reader.read()
  await reader.cancel()
  return new TextDecoder().decode(value)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** How often each status came: `{ 201: 10, 409: 20 }`. */
export function statuses(replies: Reply[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

export interface FrontDesk extends Client {
  doctorId: string
  patientIds: string[]
  book(
    wanted: { date: string; patient?: number; doctorId?: string } & Record<string, unknown>,
    headers?: HeadersInit,
  ): Promise<Reply>
}

/** A clinic with one doctor and some patients, ready to book. */
export async function openFrontDesk({
  patients = 1,
  capacity = 10,
  ...clinic
}: { patients?: number; capacity?: number } & Parameters<typeof openClinic>[0] = {}): Promise<FrontDesk> {
  const client = await openClinic(clinic)
  const doctor = await client.post('/api/v1/doctors', { name: 'Grace Hopper', code: 'GH', capacity })
  const registered = await Promise.all(
    times(patients, (n) =>
      client.post('/api/v1/patients', {
        name: `Patient ${n}`,
        phone: `+1 202 555 ${String(n).padStart(4, '0')}`,
      }),
    ),
  )
  const patientIds = registered.map(({ body }) => body.id as string)
  const book: FrontDesk['book'] = ({ patient = 0, doctorId = doctor.body.id, ...wanted }, headers) =>
    client.post(
      '/api/v1/appointments',
      { patient_id: patientIds[patient], doctor_id: doctorId, ...wanted },
      headers,
    )
  return { ...client, doctorId: doctor.body.id, patientIds, book }
}

/** Every page of a list, first to last, as `Link: rel="next"` leads on. */
export async function allPages(client: Pick<Client, 'get'>, path: string): Promise<Reply[]> {
  const pages: Reply[] = []
  for (let next: string | undefined = path; next; ) {
    const page: Reply = await client.get(next)
    pages.push(page)
    next = page.headers.get('Link')?.match(/^<(\/.+)>; rel="next"$/)?.[1]
  }
  return pages
}
