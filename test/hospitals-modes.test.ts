import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, times } from './clinic'
import {
  csv,
  deliver,
  expectNothingLeft,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  imported,
  leftOf,
  manyRows,
  newKey,
  statusOf,
  strayRows,
} from './directory'

holdTheQueue()

const sendFile = (clinic: Client, query: string, file: string, key = newKey()) =>
  clinic.send('POST', `${HOSPITALS}/bulk?${query}`, file, {
    'Idempotency-Key': key,
    'Content-Type': 'text/csv',
  })

/** Two good rows, a duplicate of the first, and two that break a rule. */
const MIXED = csv('Mercy,1 High St,', ',2 High St,', 'Hope,3 High St,', 'MERCY,1 high st,', 'A,B,1,2')

test('a partial import takes the good rows and says of each bad one what is wrong', async () => {
  const clinic = await openClinic()
  const sent = heldQueue()
  const accepted = await sendFile(clinic, 'mode=partial', MIXED)
  expect(accepted).toMatchObject({ status: 202, body: { total_hospitals: 5 } })
  await deliver([...sent, ...sent])
  const { body } = await statusOf(clinic, accepted.body.job_id)
  expect(body).toMatchObject({ status: 'completed', processed_hospitals: 2, failed_hospitals: 3 })
  expect(body.result.batch_activated).toBe(false)
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 2 })
  expect(body.result.hospitals).toEqual([
    { row: 2, name: 'Mercy', status: 'created' },
    {
      row: 3,
      name: '',
      status: 'failed',
      reason: 'invalid',
      faults: [{ field: 'name', rule: 'required', message: "Row 3: 'name' is required" }],
    },
    { row: 4, name: 'Hope', status: 'created' },
    { row: 5, name: 'MERCY', status: 'failed', reason: 'duplicate_in_file' },
    {
      row: 6,
      name: 'A',
      status: 'failed',
      reason: 'invalid',
      faults: [{ field: 'file', rule: 'columns', message: 'Row 6: 4 values for 3 columns' }],
    },
  ])
})

test('a bad row never counts as the earlier of two, and bad rows alone fail a whole chunk exactly', async () => {
  const clinic = await openClinic()
  const sent = heldQueue()
  const file = csv(...times(1_000, () => ',Street,'), ...manyRows(500), ',Street,')
  const { body } = await sendFile(clinic, 'mode=partial', file)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ failed_hospitals: 1_001 })
  await deliver(sent)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'completed',
    processed_hospitals: 500,
    failed_hospitals: 1_001,
  })
})

test.each([
  ['all of whose rows are bad', csv(',1 High St,', 'Mercy,,')],
  ['that is not closed', 'name,address\nMercy,1 High St\n"Hope,2 High St\n'],
  ['without a column', 'name\nMercy\n'],
  ['without rows', 'name,address\n'],
])('a partial import still refuses a file %s, and keeps nothing of it', async (_, file) => {
  const clinic = await openClinic()
  expect(await sendFile(clinic, 'mode=partial', file)).toMatchObject({
    status: 400,
    body: { type: '/problems/invalid_file' },
  })
  await expectNothingLeft(clinic)
})

test.each([
  ['mode', 'mode=loose'],
  ['dry_run', 'dry_run=yes'],
])('another %s is refused by name', async (field, query) => {
  const clinic = await openClinic()
  const reply = await sendFile(clinic, query, MIXED)
  expect(reply).toMatchObject({ status: 400, body: { errors: [{ field, rule: 'choice' }] } })
  await expectNothingLeft(clinic)
})

test.each(['with KV', 'without KV'])(
  'the same key and file in another mode are another request, %s',
  async (kv) => {
    const clinic = await openClinic()
    if (kv === 'without KV')
      vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
    const key = newKey()
    const good = csv('Mercy,1 High St,')
    const replies = [
      await sendFile(clinic, 'mode=partial', good, key),
      await sendFile(clinic, 'mode=partial', good, key),
      await sendFile(clinic, '', good, key),
    ]
    expect(replies.map(({ status }) => status)).toEqual([202, 202, 422])
    expect(replies[1]?.text).toBe(replies[0]?.text)
  },
)

test('a dry run counts against the file and the directory, and leaves nothing behind', async () => {
  const clinic = await openClinic()
  await imported(clinic, csv('Hope,3 High St,'))
  const before = await leftOf(clinic)
  const { status, body } = await sendFile(clinic, 'dry_run=true', MIXED)
  expect(status).toBe(200)
  expect(body).toEqual({
    create: 1,
    duplicate: 2,
    invalid: 2,
    total: 5,
    faults: [
      { row: 3, field: 'name', rule: 'required', message: "Row 3: 'name' is required" },
      { row: 6, field: 'file', rule: 'columns', message: 'Row 6: 4 values for 3 columns' },
    ],
  })
  expect(await leftOf(clinic)).toEqual(before)
  expect(await strayRows()).toBe(0)
})

test('a file without a good row is refused with that sentence, and a dry run foretells it', async () => {
  const clinic = await openClinic()
  const bad = csv(',1 High St,', 'Mercy,,')
  const foretold = 'No row of the file can be imported: an upload of it would be refused, in either mode'
  for (const mode of ['strict', 'partial']) {
    const dry = await sendFile(clinic, `dry_run=true&mode=${mode}`, bad)
    expect(dry).toMatchObject({ status: 200, body: { create: 0, invalid: 2, warnings: [foretold] } })
  }
  const refused = await sendFile(clinic, 'mode=partial', bad)
  expect(refused).toMatchObject({
    status: 400,
    body: {
      message: "No row of the file can be imported; Row 2: 'name' is required; Row 3: 'address' is required",
      errors: [{ row: 2 }, { row: 3 }],
    },
  })
  expect((await sendFile(clinic, 'dry_run=true&mode=partial', MIXED)).body.warnings).toBeUndefined()
  await expectNothingLeft(clinic)
})

test.each([
  ['', 'strict'],
  ['mode=partial', 'partial'],
])('a duplicate refuses no file (%j is %s): its row ends as failed', async (query) => {
  const clinic = await openClinic()
  await imported(clinic, csv('Hope,3 High St,'))
  const sent = heldQueue()
  const { status, body } = await sendFile(clinic, query, csv('Hope,3 High St,', 'Mercy,1 High St,'))
  expect(status).toBe(202)
  await deliver(sent)
  const { result, message } = (await statusOf(clinic, body.job_id)).body
  expect(result.hospitals.map((row: Record<string, string>) => row.reason ?? row.status)).toEqual([
    'duplicate_in_directory',
    'created',
  ])
  expect(message).toMatch(/^The import is completed: 1 hospital created, 1 row failed\. /)
})

test('of many faults a dry run tells the first thousand', async () => {
  const clinic = await openClinic()
  const { body } = await sendFile(clinic, 'dry_run=true', csv(...times(1_500, () => ',Street,')))
  expect(body).toMatchObject({ create: 0, invalid: 1_500, total: 1_500 })
  expect(body.faults).toHaveLength(1_000)
  await expectNothingLeft(clinic)
})

test('a dry run takes no key: the import itself may follow under the same one', async () => {
  const clinic = await openClinic()
  const key = newKey()
  const replies = [
    await sendFile(clinic, 'dry_run=true', csv('A,B,'), key),
    await sendFile(clinic, '', csv('A,B,'), key),
  ]
  expect(replies.map(({ status }) => status)).toEqual([200, 202])
})

test('what a dry run counts as new stands in no other clinic’s way', async () => {
  const [one, other] = [await openClinic(), await openClinic()]
  await imported(one, csv('Hope,3 High St,'))
  expect((await sendFile(other, 'dry_run=true', csv('Hope,3 High St,'))).body.create).toBe(1)
})

test('a dry run that dies is cleared away by the object that watches it', async () => {
  const clinic = await openClinic()
  const watched = vi.spyOn(Object.getPrototypeOf(env.BULK_JOB) as typeof env.BULK_JOB, 'getByName')
  const batch = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockImplementation(() => {
    throw new Error('Network connection lost')
  })
  expect((await sendFile(clinic, 'dry_run=true', csv('A,B,'))).status).toBe(503)
  batch.mockRestore()
  expect(await strayRows()).toBe(1)
  const watcher = env.BULK_JOB.getByName(watched.mock.calls[0]?.[0] ?? '')
  vi.useFakeTimers({ now: Date.now() + 16 * 60_000, toFake: ['Date'] })
  await runDurableObjectAlarm(watcher)
  vi.useRealTimers()
  expect(await strayRows()).toBe(0)
})

test('a dry run, too, needs the scope that writes', async () => {
  const { clinicId } = await openClinic()
  const reader = await keyFor(clinicId, ['hospitals:read'])
  expect((await sendFile(reader, 'dry_run=true', csv('A,B,'))).status).toBe(403)
})
