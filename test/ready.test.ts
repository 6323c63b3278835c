import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { STORE_MS_MAX } from '../src/console/readiness'
import { caller, keyFor, openClinic, times } from './clinic'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const lost = () => Promise.reject(new Error('Network connection lost.'))

/** Breaks one store. The keys are known by then, so D1 is not needed to find out who asks. */
const BREAKS: Record<string, (answer: () => Promise<never>) => unknown> = {
  database: (answer) =>
    vi
      .spyOn(Object.getPrototypeOf(env.DB.prepare('SELECT 1')) as D1PreparedStatement, 'first')
      .mockImplementation(answer),
  recorder: (answer) =>
    vi.spyOn(env.RECORDER, 'get').mockImplementation((() => ({ record: answer })) as never),
  replies: (answer) => vi.spyOn(env.REPLIES, 'get').mockImplementation(answer as never),
  days: (answer) =>
    vi.spyOn(env.DOCTOR_DAY, 'get').mockImplementation((() => ({ history: answer })) as never),
  queue: (answer) => vi.spyOn(env.IMPORT_CHUNKS, 'metrics').mockImplementation(answer),
}

test('GET /ready asks every store, for a key with the scope service:read', async () => {
  const { clinicId } = await openClinic()
  const monitor = await keyFor(clinicId, ['service:read'])
  expect(await monitor.get('/ready')).toMatchObject({
    status: 200,
    body: {
      status: 'ready',
      stores: { database: 'ok', recorder: 'ok', replies: 'ok', days: 'ok', queue: 'ok' },
    },
  })
  expect((await caller().get('/ready')).status).toBe(401)
  expect((await (await keyFor(clinicId, ['patients:read', 'admin'])).get('/ready')).status).toBe(403)
})

test.each(Object.keys(BREAKS))(
  'where %s fails, /ready is 503 with Retry-After and names it',
  async (store) => {
    const clinic = await openClinic()
    await clinic.get('/events')
    BREAKS[store]?.(lost)
    const reply = await clinic.get('/ready')
    expect(reply).toMatchObject({ status: 503, body: { errors: [{ field: store }] } })
    expect(reply.headers.get('Retry-After')).toBe('5')
  },
)

test('every store that fails is named', async () => {
  const clinic = await openClinic()
  await clinic.get('/events')
  for (const store of ['replies', 'queue']) BREAKS[store]?.(lost)
  expect((await clinic.get('/ready')).body.errors).toMatchObject([{ field: 'replies' }, { field: 'queue' }])
})

test.each(Object.keys(BREAKS))(
  'where %s neither answers nor fails, /ready answers in time',
  async (store) => {
    const clinic = await openClinic()
    await clinic.get('/events')
    BREAKS[store]?.(() => new Promise(() => {}))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const asked = clinic.get('/ready')
    for (const _ of times(3, (n) => n)) await vi.advanceTimersByTimeAsync(STORE_MS_MAX)
    const reply = await asked
    expect(reply.status).toBe(503)
    expect(reply.body.errors.map(({ field }: { field: string }) => field)).toContain(store)
  },
)
