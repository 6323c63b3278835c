import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { newId } from '../src/lib/crypto'
import { MEDICAL_TEST } from '../src/medical-tests/actions'
import { laneOf } from '../src/recorder/client'
import { entryOf } from '../src/recorder/kind'
import { sendLot } from '../src/recorder/lot'
import { type Client, DAY, openClinic, openFrontDesk, statuses, times } from './clinic'
import { abort, loseD1 } from './faults'

afterEach(() => vi.restoreAllMocks())

const record = (clinic: Client, testId: string, more = {}) => ({
  ...{ test_id: testId, patient_id: 'p', clinic_id: clinic.clinicId, test_type: 'CBC', result: 'Normal' },
  ...more,
})

const post = (clinic: Client, testId: string, key?: string, more = {}) =>
  clinic.post('/tests', record(clinic, testId, more), key ? { 'Idempotency-Key': key } : {})

async function storedBy(clinic: Client): Promise<string[]> {
  const { body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  return (body as { test_id: string }[]).map(({ test_id }) => test_id).sort()
}

async function auditOf(clinic: Client): Promise<string[]> {
  const { results } = await env.DB.prepare('SELECT subject FROM audit WHERE clinic_id = ? ORDER BY subject')
    .bind(clinic.clinicId)
    .all<{ subject: string }>()
  return results.map(({ subject }) => subject)
}

/** Counts what is sent to D1. */
const countBatches = () => vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch')

/** Two clinics in one lane, so that their requests share lots. */
async function openNeighbours(): Promise<[Client, Client]> {
  const first = await openClinic()
  for (;;) {
    const second = await openClinic()
    if (laneOf(env, second.clinicId) === laneOf(env, first.clinicId)) return [first, second]
  }
}

const ids = (count: number) => times(count, (n) => `t-${String(n).padStart(2, '0')}`)

test.each([
  ['1', ['lane-0']],
  ['2', ['lane-0', 'lane-1']],
  ['', ['lane-0', 'lane-1', 'lane-2', 'lane-3']],
  ['many', ['lane-0', 'lane-1', 'lane-2', 'lane-3']],
  ['-1', ['lane-0']],
  ['Infinity', times(16, (n) => `lane-${n}`).sort()],
])('with RECORDER_LANES=%j all clinics share the lanes %j, and each stays in its own', (lanes, expected) => {
  const setting = { ...env, RECORDER_LANES: lanes }
  const clinics = times(100, (n) => `clinic-${n}`)
  const found = clinics.map((id) => laneOf(setting, id))
  expect([...new Set(found)].sort()).toEqual(expected)
  expect(clinics.map((id) => laneOf(setting, id))).toEqual(found)
})

test('long results and short ones in one lot come back as they were sent, whatever is in them', async () => {
  const clinic = await openClinic()
  const texts = [
    '"',
    '\\',
    '{"a":[1e400]}',
    '😀',
    'a\n',
    'é',
    "'); DROP TABLE audit; --",
    '\\u0000',
    '?2->>0',
  ]
  const results = texts.flatMap((text) => [text.repeat(Math.floor(90_000 / text.length)), `${text}.`])
  const replies = await Promise.all(
    results.map((result, n) => post(clinic, `t-${n}`, n % 3 === 0 ? `k-${n}` : undefined, { result })),
  )
  expect(statuses(replies)).toEqual({ 201: results.length })
  const { body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  const found = new Map((body as NewTest[]).map(({ test_id, result }) => [test_id, result]))
  for (const [n, result] of results.entries())
    expect([n, found.get(`t-${n}`)?.trim()]).toEqual([n, result.trim()])
})

interface NewTest {
  test_id: string
  result: string
}

test('forty records at once reach D1 in a few lots; each is stored once and audited once', async () => {
  const clinic = await openClinic()
  const batches = countBatches()
  const replies = await Promise.all(ids(40).map((id) => post(clinic, id)))
  expect(statuses(replies)).toEqual({ 201: 40 })
  expect(batches.mock.calls.length).toBeLessThanOrEqual(20)
  expect(await storedBy(clinic)).toEqual(ids(40))
  expect(await auditOf(clinic)).toEqual(ids(40))
})

test('twenty bookings on twenty days ask D1 less often than there are bookings', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  const batches = countBatches()
  const dates = times(20, (n) => `2040-04-${String(n + 10)}`)
  const replies = await Promise.all(dates.map((date) => desk.book({ date, allow_another: true })))
  expect(statuses(replies)).toEqual({ 201: 20 })
  expect(batches.mock.calls.length).toBeLessThanOrEqual(20)
})

test('of equal records in one lot one is stored; the others are refused, and nothing is audited twice', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all(times(20, (n) => post(clinic, 'same', undefined, { result: `R ${n}` })))
  expect(statuses(replies)).toEqual({ 201: 1, 409: 19 })
  expect(await auditOf(clinic)).toEqual(['same'])
})

test('a record that D1 refuses fails alone: all others of its lot are stored', async () => {
  const clinic = await openClinic()
  await env.DB.prepare(
    `CREATE TRIGGER poison BEFORE INSERT ON medical_tests WHEN NEW.test_id LIKE 'poison%'
     BEGIN SELECT RAISE(ABORT, 'poisoned'); END`,
  ).run()
  const wanted = [...ids(20), 'poison-1', 'poison-2']
  const replies = await Promise.all(wanted.map((id) => post(clinic, id)))
  await env.DB.prepare('DROP TRIGGER poison').run()
  expect(statuses(replies)).toEqual({ 201: 20, 500: 2 })
  expect(await storedBy(clinic)).toEqual(ids(20))
  expect(await auditOf(clinic)).toEqual(ids(20))
  expect((await post(clinic, 'poison-1')).status).toBe(201)
})

test('a key that another request has writes nothing, and takes nothing from the others of its lot', async () => {
  const clinic = await openClinic()
  expect((await post(clinic, 'first', 'k')).status).toBe(201)
  await env.REPLIES.list().then(({ keys }) => Promise.all(keys.map(({ name }) => env.REPLIES.delete(name))))
  const replies = await Promise.all([
    post(clinic, 'other', 'k'),
    ...ids(9).map((id) => post(clinic, id, `k-${id}`)),
    post(clinic, 'without'),
  ])
  expect(statuses(replies)).toEqual({ 201: 10, 422: 1 })
  expect(await storedBy(clinic)).toEqual(['first', ...ids(9), 'without'])
})

test('lots whose answers are lost are 503 with Retry-After; with its key each is stored and audited once', async () => {
  const clinic = await openClinic()
  let isLost = true
  const { lost } = loseD1(() => isLost)
  const send = () => Promise.all(ids(12).map((id) => post(clinic, id, `k-${id}`)))
  const refused = [...(await send()), ...(await send()), ...(await send())]
  expect(lost()).toBeGreaterThan(2)
  expect(statuses(refused)).toEqual({ 503: 36 })
  expect(refused.map(({ headers }) => headers.get('Retry-After'))).toEqual(times(36, () => '1'))
  isLost = false
  expect(statuses(await send())).toEqual({ 201: 12 })
  expect(await storedBy(clinic)).toEqual(ids(12))
  expect(await auditOf(clinic)).toEqual(ids(12))
})

test('a lot that is sent a second time changes nothing and is audited once', async () => {
  const clinic = await openClinic()
  const kinds = new Map([[MEDICAL_TEST.name, MEDICAL_TEST]])
  const entries = ids(3).map((id, n) => {
    const claim = n === 0 ? { key: 'k', fingerprint: 'f' } : { key: null, fingerprint: '' }
    const at = { now: Date.now(), expiresAt: Date.now() + 60_000 }
    const sender = { opId: newId(), clinicId: clinic.clinicId, keyId: clinic.keyId, requestId: 'r' }
    return entryOf(MEDICAL_TEST, { ...sender, ...at, ...claim }, [id, clinic.clinicId, '{}'])
  })
  const first = await sendLot(env.DB, kinds, entries)
  expect(first.map((outcome) => 'result' in outcome && outcome.result)).toEqual([true, true, true])
  const again = await sendLot(env.DB, kinds, entries)
  expect(again.map((outcome) => 'result' in outcome && outcome.result)).toEqual([false, false, false])
  expect(await auditOf(clinic)).toEqual(ids(3))
})

test('the Recorder dies with requests in it: what is retried with its key is stored once', async () => {
  const clinic = await openClinic()
  const lane = env.RECORDER.idFromName(laneOf(env, clinic.clinicId))
  const send = () => Promise.all(ids(12).map((id) => post(clinic, id, `k-${id}`)))
  const dying = send()
  await abort(env.RECORDER.get(lane))
  for (const { status } of await dying) expect([201, 503]).toContain(status)
  expect(statuses(await send())).toEqual({ 201: 12 })
  expect(await storedBy(clinic)).toEqual(ids(12))
  expect(await auditOf(clinic)).toEqual(ids(12))
})

test('in one lot with another clinic, neither finds the other’s doctor or record, nor is a key of one the other’s', async () => {
  const [first, second] = await openNeighbours()
  const desk = await openFrontDesk({ patients: 1 })
  const [own, foreign, ...others] = await Promise.all([
    desk.book({ date: DAY, allow_another: true }),
    second.post('/api/v1/appointments', {
      patient_id: desk.patientIds[0],
      doctor_id: desk.doctorId,
      date: DAY,
    }),
    post(first, 'same', 'k'),
    post(second, 'same', 'k'),
  ])
  expect([own.status, foreign.status]).toEqual([201, 404])
  expect(statuses(others)).toEqual({ 201: 2 })
  expect([await storedBy(first), await storedBy(second)]).toEqual([['same'], ['same']])
})

test('while D1 does not answer, what waits has a limit: beyond it the answer is busy at once', async () => {
  const clinic = await openClinic()
  const batch = Object.getPrototypeOf(env.DB).batch as D1Database['batch']
  let isHeld = true
  countBatches().mockImplementation(async function (this: D1Database, statements) {
    while (isHeld) await scheduler.wait(5)
    return (await batch.call(this, statements)) as never
  })
  const send = (testId: string) => {
    const sender = { opId: newId(), clinicId: clinic.clinicId, keyId: clinic.keyId, requestId: 'r' }
    const when = { now: Date.now(), expiresAt: 0, key: null, fingerprint: '' }
    const entry = entryOf(MEDICAL_TEST, { ...sender, ...when }, [testId, clinic.clinicId, '{}'])
    return env.RECORDER.get(env.RECORDER.idFromName(laneOf(env, clinic.clinicId))).record(entry)
  }
  const sent = times(1_200, (n) => send(`t-${n}`))
  expect(await Promise.race(sent)).toEqual({ failed: 'busy' })
  const refused = await post(clinic, 'mine')
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '1'])
  isHeld = false
  const outcomes = await Promise.all(sent)
  const stored = outcomes.filter((outcome) => 'result' in outcome && outcome.result === true)
  expect(stored.length).toBeGreaterThanOrEqual(1_000)
  expect((await auditOf(clinic)).length).toBe(stored.length)
})
