import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, statuses, times } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  leftOf,
  manyRows,
  newKey,
  queueSpy,
  statusOf,
  strayRows,
} from './directory'

const sent = holdTheQueue()

const asCsv = (key: string) => ({ 'Idempotency-Key': key, 'Content-Type': 'text/csv' })

const repair = (clinic: Client, job: string, rows: string[], key = newKey()) =>
  clinic.send(
    'POST',
    `${HOSPITALS}/jobs/${job}/rows`,
    ['name,address,phone,row,reason', ...rows].join('\n'),
    asCsv(key),
  )

const failedCsv = async (clinic: Client, job: string) =>
  (await clinic.get(`${HOSPITALS}/jobs/${job}/failed.csv`)).text

/** Rows 2 to 1,201 are good; 1,202 has no name, 1,203 is the first again, 1,204 has no address. */
async function withFailures(clinic: Client): Promise<string> {
  const file = csv(...manyRows(1_200), ',Lane 1,+1 202 555 0101', 'HOSPITAL 0,0 Main Street,', 'Hope,,')
  const { body } = await clinic.send('POST', `${HOSPITALS}/bulk?mode=partial`, file, asCsv(newKey()))
  await deliver(sent.splice(0))
  return body.job_id
}

const totals = async (clinic: Client, job: string) => {
  const { status, processed_hospitals, failed_hospitals, result } = (await statusOf(clinic, job)).body
  return [status, processed_hospitals, failed_hospitals, result?.batch_activated]
}

test('repaired rows run again, no others; when every row has succeeded the batch is active by itself', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  expect(await totals(clinic, job)).toEqual(['completed', 1_200, 3, false])
  const reply = await repair(clinic, job, ["Mercy,Lane 1,'+1 202 555 0101,1202,", 'Mercy,Lane 1,,1203,'])
  expect(reply).toMatchObject({ status: 202, body: { job_id: job, status: 'processing' } })
  expect(await totals(clinic, job)).toEqual(['processing', 1_200, 1, undefined])
  expect(chunksSent(sent, job)).toEqual([1])
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, false])
  await repair(clinic, job, ['Faith,Lane 2,,1203,', 'Hope,Lane 3,,1204,'])
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_203, 0, true])
  const { body } = await clinic.get(`${HOSPITALS}?q=lane`)
  expect(body.map(({ name, phone }: Record<string, string>) => [name, phone])).toEqual([
    ['Mercy', '+1 202 555 0101'],
    ['Faith', null],
    ['Hope', null],
  ])
})

test('failed.csv sent back as it is fails the same rows with the same cells, formulas and all', async () => {
  const clinic = await openClinic()
  const file = csv(
    '=A,-1,@x',
    '=A,-1,@x',
    "'=B,+2,",
    "'=B,+2,",
    '"a ""b"", c","two\nlines",+1 202',
    '"a ""b"", c","two\nlines",+1 202',
  )
  const { body } = await clinic.send('POST', `${HOSPITALS}/bulk`, file, asCsv(newKey()))
  await deliver(sent.splice(0))
  const before = await failedCsv(clinic, body.job_id)
  expect(before.split('\r\n')[1]).toBe("'=A,'-1,'@x,3,duplicate_in_file")
  const reply = await clinic.send('POST', `${HOSPITALS}/jobs/${body.job_id}/rows`, before, asCsv(newKey()))
  expect(reply.status).toBe(202)
  await deliver(sent.splice(0))
  expect(await failedCsv(clinic, body.job_id)).toBe(before)
  expect(await totals(clinic, body.job_id)).toEqual(['completed', 3, 3, false])
})

test.each([
  ['that did not fail', ['A,B,,2,'], 'Row 2: is not a failed row of this import'],
  ['that is not there', ['A,B,,1202,', 'A,C,,9999,'], 'Row 9999: is not a failed row of this import'],
  ['twice', ['A,B,,1202,', 'A,C,,1202,'], 'Row 1202: occurs twice'],
  ['without its number', ['A,B,,,'], "Record 2: 'row' must be the number of a row that failed"],
  ['that is still bad', ['A,B,,1202,', 'Hope,,,1204,'], "Row 1204: 'address' is required"],
])('a repair with a row %s is refused by its number, and changes nothing', async (_, rows, message) => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const [before, left] = [await failedCsv(clinic, job), await leftOf(clinic)]
  expect(await repair(clinic, job, rows)).toMatchObject({ status: 400, body: { message } })
  expect(await failedCsv(clinic, job)).toBe(before)
  expect(await totals(clinic, job)).toEqual(['completed', 1_200, 3, false])
  expect(await leftOf(clinic)).toEqual(left)
  expect(await strayRows()).toBe(0)
})

test('a row that cannot be corrected is taken out of the failed file, stays failed, and is repaired later', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const [header = '', first = '', second = '', third = ''] = (await failedCsv(clinic, job)).split('\r\n')
  const send = (...lines: string[]) =>
    clinic.send('POST', `${HOSPITALS}/jobs/${job}/rows`, [header, ...lines, ''].join('\r\n'), asCsv(newKey()))
  const corrected = first.replace(/^/, 'Mercy')
  expect((await send(corrected, second, third)).status).toBe(400)
  expect((await send(corrected)).body.message).toMatch(/^1 row runs again\. /)
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, false])
  const rest = [second.replace('0,0', '0,Other 0'), third.replace('Hope,', 'Hope,Lane 3')]
  expect((await send(...rest)).body.message).toMatch(/^2 rows run again\. /)
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_203, 0, true])
})

test('a repair needs a key and a column that says which row is meant', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const url = `${HOSPITALS}/jobs/${job}/rows`
  const replies = [
    await clinic.send('POST', url, csv('A,B,'), { 'Content-Type': 'text/csv' }),
    await clinic.send('POST', url, csv('A,B,'), asCsv(newKey())),
  ]
  expect(replies.map(({ body }) => body.type.split('/').at(-1))).toEqual([
    'idempotency_key_required',
    'invalid_file',
  ])
})

test('two repairs at once: one runs, the other is told to wait, and works later under its own key', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const wanted: [string, string][] = [
    ['Mercy,Lane 1,,1202,', newKey()],
    ['Hope,Lane 3,,1204,', newKey()],
  ]
  const replies = await Promise.all(wanted.map(([row, key]) => repair(clinic, job, [row], key)))
  expect(statuses(replies)).toEqual({ 202: 1, 409: 1 })
  await deliver(sent.splice(0))
  for (const [row, key] of wanted) expect((await repair(clinic, job, [row], key)).status).toBe(202)
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_202, 1, false])
})

test.each(['with KV', 'without KV'])(
  'ten equal repairs are one, also when it is long over, %s',
  async (kv) => {
    const clinic = await openClinic()
    const job = await withFailures(clinic)
    if (kv === 'without KV')
      vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
    const again = () => repair(clinic, job, ['Mercy,Lane 1,,1202,'], 'same')
    const replies = await Promise.all(times(10, again))
    await deliver(sent.splice(0))
    replies.push(await again())
    expect(statuses(replies)).toEqual({ 202: 11 })
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
    expect((await repair(clinic, job, ['Hope,Lane 3,,1204,'], 'same')).status).toBe(422)
    expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, false])
    expect(await strayRows()).toBe(0)
  },
)

test('messages of a repair that come four times in any order change nothing but its rows', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(
        times(8, (n) => n),
        { minLength: 8 },
      ),
      async (order) => {
        const clinic = await openClinic()
        const job = await withFailures(clinic)
        await repair(clinic, job, ['Mercy,Lane 1,,1202,'])
        const messages = order.map((n) => ({ job_id: job, chunk: n % 2 }))
        await Promise.all([deliver(messages.slice(0, 4)), deliver(messages.slice(4))])
        expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, false])
        expect(await leftOf(clinic)).toMatchObject({ hospitals: 1_201 })
      },
    ),
    { numRuns: 4 },
  )
})

test('a queue that refuses a repair is 503; the alarm sends it, and the same key works later', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const watcher = env.BULK_JOB.getByName(job)
  await runDurableObjectAlarm(watcher)
  const queue = queueSpy().mockRejectedValue(new Error('queue is down'))
  expect((await repair(clinic, job, ['Mercy,Lane 1,,1202,'], 'later')).status).toBe(503)
  queue.mockRestore()
  heldQueue(sent)
  await runDurableObjectAlarm(watcher)
  expect(chunksSent(sent, job)).toEqual([1])
  expect((await repair(clinic, job, ['Mercy,Lane 1,,1202,'], 'later')).status).toBe(202)
  await deliver(sent)
  expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, false])
  expect(await strayRows()).toBe(0)
})

test('a batch that somebody activated stays active through a repair that leaves rows failed', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const { batch_id } = (await statusOf(clinic, job)).body.result
  await clinic.send('PATCH', `${HOSPITALS}/bulk/batch/${batch_id}/activate`)
  await repair(clinic, job, ['Mercy,Lane 1,,1202,'])
  await deliver(sent.splice(0))
  expect(await totals(clinic, job)).toEqual(['completed', 1_201, 2, true])
})

test('a repair keeps out other clinics and keys that only read', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const [other, reader] = [await openClinic(), await keyFor(clinic.clinicId, ['hospitals:read'])]
  const replies = [await repair(other, job, ['A,B,,1202,']), await repair(reader, job, ['A,B,,1202,'])]
  expect(replies.map(({ status }) => status)).toEqual([404, 403])
  expect(await totals(clinic, job)).toEqual(['completed', 1_200, 3, false])
})
