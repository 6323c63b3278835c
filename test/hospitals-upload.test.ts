import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Client, openClinic, type Reply, statuses, times } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  leftOf,
  manyRows,
  newKey,
  queueSpy,
  statusOf,
  strayRows,
  upload,
  uploadRaw,
  uploadUnder,
} from './directory'

const NOTHING = { imports: 0, chunks: 0, keys: 0, hospitals: 0 }

beforeEach(() => {
  heldQueue()
})
afterEach(() => {
  vi.restoreAllMocks()
})

const refused = (reply: Pick<Reply, 'status' | 'body'>) => ({
  status: reply.status,
  type: reply.body.type,
  message: reply.body.message,
})
const badFile = (message: unknown) => ({
  status: 400,
  type: 'urn:doctorday:problem:invalid_file',
  message,
})

async function expectNothingLeft(clinic: Client) {
  expect(await leftOf(clinic)).toEqual(NOTHING)
  expect(await strayRows()).toBe(0)
}

test('a file is accepted with 202 and exactly the four fields of the contract', async () => {
  const clinic = await openClinic()
  const reply = await upload(clinic, csv(...manyRows(3)))
  expect(reply.status).toBe(202)
  expect(reply.body).toEqual({
    job_id: expect.any(String),
    status: 'pending',
    message: expect.stringContaining('Use the job_id to check status'),
    total_hospitals: 3,
  })
})

test('the file may be the body itself', async () => {
  const clinic = await openClinic()
  expect(await uploadRaw(clinic, csv(...manyRows(2)))).toMatchObject({
    status: 202,
    body: { total_hospitals: 2 },
  })
})

test('one message per chunk of a thousand rows is sent', async () => {
  const clinic = await openClinic()
  const sent = heldQueue()
  const { body } = await upload(clinic, csv(...manyRows(2_001)))
  expect(chunksSent(sent, body.job_id)).toEqual([0, 1, 2])
})

test.each([
  ['missing', {}],
  ['blank', { 'Idempotency-Key': '   ' }],
])('an Idempotency-Key that is %s is refused by name', async (_, headers) => {
  const clinic = await openClinic()
  const form = new FormData()
  form.set('file', new File([csv('A,B,')], 'a.csv'))
  const reply = await clinic.send('POST', `${HOSPITALS}/bulk`, form, headers as HeadersInit)
  expect(reply).toMatchObject({
    status: 400,
    body: { type: 'urn:doctorday:problem:idempotency_key_required' },
  })
  await expectNothingLeft(clinic)
})

const multipart = (lines: string[]) => lines.join('\r\n')
const bulk = (clinic: Client, body: BodyInit | null, contentType?: string) =>
  clinic.send('POST', `${HOSPITALS}/bulk`, body, {
    'Idempotency-Key': newKey(),
    ...(contentType && { 'Content-Type': contentType }),
  })

test.each<[string, (clinic: Client) => Promise<Reply>, RegExp]>([
  ['no body', (clinic) => bulk(clinic, null), /field `file`/],
  ['JSON', (clinic) => bulk(clinic, '{}', 'application/json'), /field `file`/],
  ['a form without a file', (clinic) => bulk(clinic, formOf({ note: 'hello' })), /field `file`/],
  ['text where the file should be', (clinic) => bulk(clinic, formOf({ file: csv('A,B,') })), /field `file`/],
  ['a form without boundary', (clinic) => bulk(clinic, 'x', 'multipart/form-data'), /multipart/],
  [
    'a form that breaks off',
    (clinic) => bulk(clinic, multipart(FORM.slice(0, -2)), 'multipart/form-data; boundary=b'),
    /multipart/,
  ],
  ['two files', (clinic) => bulk(clinic, twoFiles()), /one file/],
  ['a file that is not named .csv', (clinic) => upload(clinic, csv('A,B,'), { name: 'a.xlsx' }), /\.csv/],
  ['an empty file', (clinic) => upload(clinic, ''), /is empty/],
  ['an empty body', (clinic) => uploadRaw(clinic, ''), /field `file`|is empty/],
  ['blank lines only', (clinic) => upload(clinic, '\n\n  \n'), /is empty/],
  ['a header only', (clinic) => upload(clinic, csv()), /no rows/],
  [
    'bytes that are not UTF-8',
    (clinic) => upload(clinic, new Uint8Array([...utf8('name,address\nA,'), 0xe9, 10])),
    /UTF-8/,
  ],
  ['UTF-16', (clinic) => upload(clinic, new Uint8Array([0xff, 0xfe, 65, 0])), /UTF-8/],
  [
    'a character cut off at the end',
    (clinic) => upload(clinic, new Uint8Array([...utf8('name,address\nA,B'), 0xc3])),
    /UTF-8/,
  ],
  ['no column name', (clinic) => upload(clinic, 'address,phone\nA,1\n'), /Row 1: column 'name' is missing/],
  [
    'no column address',
    (clinic) => upload(clinic, 'name,phone\nA,1\n'),
    /Row 1: column 'address' is missing/,
  ],
  [
    'a column twice',
    (clinic) => upload(clinic, 'name,address,Name\nA,B,C\n'),
    /column 'name' stands there twice/,
  ],
  [
    'too many columns',
    (clinic) => upload(clinic, `name,address${',x'.repeat(300)}\n`),
    /at most 256 columns/,
  ],
  [
    'a row with too many values',
    (clinic) => upload(clinic, csv('A,B,1', 'C,D,1,2')),
    /^Row 3: 4 values stand under 3 columns$/,
  ],
  [
    'a row with too few values',
    (clinic) => upload(clinic, csv('A,B')),
    /^Row 2: 2 values stand under 3 columns$/,
  ],
  ['a row without its address', (clinic) => upload(clinic, csv('A')), /^Row 2: 'address' is required$/],
  [
    'a quote never closed',
    (clinic) => upload(clinic, csv('A,B,1', '"C,D,1')),
    /^Row 3: a quote is opened and never closed$/,
  ],
  [
    'text behind a quote',
    (clinic) => upload(clinic, csv('"A"x,B,1')),
    /^Row 2: text follows a closing quote$/,
  ],
  [
    'a quote inside a value',
    (clinic) => upload(clinic, csv('A"x,B,1')),
    /^Row 2: a quote stands inside a value/,
  ],
  [
    'a huge cell',
    (clinic) => upload(clinic, csv(`${'x'.repeat(70_000)},B,1`)),
    /^Row 2: a row may have at most 65536/,
  ],
  [
    'a million commas',
    (clinic) => upload(clinic, csv(','.repeat(1_000_000))),
    /^Row 2: a row may have at most 65536/,
  ],
  [
    'a name that is too long',
    (clinic) => upload(clinic, csv(`${'x'.repeat(201)},B,1`)),
    /^Row 2: 'name' must have at most 200/,
  ],
  ['a NUL', (clinic) => upload(clinic, csv('A\0,B,1')), /^Row 2: 'name' must not hold a NUL$/],
])('%s: refused with 400 that says so, and nothing is left', async (_, send, message) => {
  const clinic = await openClinic()
  expect(refused(await send(clinic))).toEqual(badFile(expect.stringMatching(message)))
  await expectNothingLeft(clinic)
})

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  return form
}

function twoFiles(): FormData {
  const form = new FormData()
  form.append('file', new File([csv('A,B,')], 'a.csv'))
  form.append('file', new File([csv('C,D,')], 'b.csv'))
  return form
}

const utf8 = (text: string) => new TextEncoder().encode(text)

const FORM = [
  '--b',
  'Content-Disposition: form-data; name="file"; filename="a.csv"',
  'Content-Type: text/csv',
  '',
  csv('A,B,'),
  '--b--',
  '',
]

test('every bad row is told, each with its row and field, even behind hundreds of good ones', async () => {
  const clinic = await openClinic()
  const { status, body } = await upload(
    clinic,
    csv(...manyRows(1_200), ',Street 1,1', ...manyRows(700, 2_000), 'Mercy,  ,', ',,', ...manyRows(3, 5_000)),
  )
  expect(status).toBe(400)
  expect(body.errors).toEqual([
    { row: 1_202, field: 'name', rule: 'required', message: "Row 1202: 'name' is required" },
    { row: 1_903, field: 'address', rule: 'required', message: "Row 1903: 'address' is required" },
    { row: 1_904, field: 'name', rule: 'required', message: "Row 1904: 'name' is required" },
    { row: 1_904, field: 'address', rule: 'required', message: "Row 1904: 'address' is required" },
  ])
  expect(body.message).toBe(body.errors.map((fault: { message: string }) => fault.message).join('; '))
  await expectNothingLeft(clinic)
})

test('of more than ten thousand faults the first ten thousand are told, and how many there are', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...times(12_000, () => ',Street,')))
  expect(body.errors).toHaveLength(10_000)
  expect(body.message).toMatch(/; 2000 more faults, 12000 in all$/)
})

test('a refusal never repeats what a cell holds', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all([
    upload(clinic, csv('SECRET"x,B,1')),
    upload(clinic, csv('"SECRET"x,B,1')),
    upload(clinic, csv(`A,B,${'SECRET'.repeat(20)}`)),
    upload(clinic, csv('SECRET,B,1,2')),
  ])
  expect(statuses(replies)).toEqual({ 400: 4 })
  expect(replies.map(({ text }) => text).join()).not.toContain('SECRET')
})

test('columns may stand in any order and letter case, with others beside them, behind a BOM', async () => {
  const clinic = await openClinic()
  const reply = await upload(
    clinic,
    '\uFEFF PHONE ,beds,Address,NAME\r\n1,200,"12 High St,\r\nTown",Mercy\r\n',
  )
  expect(reply).toMatchObject({ status: 202, body: { total_hospitals: 1 } })
})

test('a record is a row: quoted line breaks do not count, empty lines are no rows', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, 'name,address\n\n"A\nB\nC",Street\n   \nMercy,\n')
  expect(body.message).toBe("Row 3: 'address' is required")
})

test('mixed line ends and a last line without one are read', async () => {
  const clinic = await openClinic()
  expect((await upload(clinic, 'name,address\r\nA,1\nB,2\rC,3')).body.total_hospitals).toBe(3)
})

test('a file of exactly the most rows passes, one more is refused before anything is queued', async () => {
  const clinic = await openClinic()
  const settings = { BULK_ROWS_MAX: '10' }
  expect((await uploadUnder(settings, clinic, csv(...manyRows(10)))).status).toBe(202)
  const before = await leftOf(clinic)
  const reply = await uploadUnder(settings, clinic, csv(...manyRows(11)))
  expect(refused(reply)).toEqual(badFile('The file may have at most 10 rows'))
  expect(await leftOf(clinic)).toEqual(before)
})

test.each(['text/csv', 'multipart'])(
  'bytes are counted as they come, not as they are announced: %s',
  async (how) => {
    const clinic = await openClinic()
    const file = csv(...manyRows(100))
    const form = new FormData()
    form.set('file', new File([file], 'a.csv'))
    const body = how === 'multipart' ? form : file
    const exactly = utf8(file).byteLength
    const refusal = await uploadUnder({ BULK_BYTES_MAX: String(exactly - 1) }, clinic, body)
    expect(refused(refusal)).toEqual(badFile(`The file may have at most ${exactly - 1} bytes`))
    expect(await leftOf(clinic)).toEqual(NOTHING)
    expect((await uploadUnder({ BULK_BYTES_MAX: String(exactly) }, clinic, body)).status).toBe(202)
  },
)

test('a form cannot hide endless bytes beside its file', async () => {
  const clinic = await openClinic()
  const form = new FormData()
  form.set('note', 'x'.repeat(100_000))
  form.set('file', new File([csv('A,B,')], 'a.csv'))
  const reply = await uploadUnder({ BULK_BYTES_MAX: '1000' }, clinic, form)
  expect(refused(reply)).toEqual(badFile(expect.stringMatching(/at most 1000 bytes/)))
})

test('a refused body is read to its end, so that its sender is there to hear the refusal', async () => {
  const clinic = await openClinic()
  let left = 40
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(utf8(left === 39 ? 'name\n' : 'x'.repeat(50_000)))
      else controller.close()
    },
  })
  expect((await uploadRaw(clinic, body)).status).toBe(400)
  expect(left).toBe(-1)
})

test('a body without end is cut off', async () => {
  const clinic = await openClinic()
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(65)),
  })
  expect((await uploadRaw(clinic, body)).status).toBe(400)
})

test('the same key and file again get the first reply byte for byte, and there is no second job', async () => {
  const clinic = await openClinic()
  const key = newKey()
  const first = await upload(clinic, csv(...manyRows(3)), { key })
  const again = await upload(clinic, csv(...manyRows(3)), { key })
  expect(again).toMatchObject({ status: 202, text: first.text })
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  expect(again.headers.get('Content-Type')).toBe(first.headers.get('Content-Type'))
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
})

test('the same holds where KV has forgotten the reply', async () => {
  const clinic = await openClinic()
  vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockRejectedValue(new Error('KV is out'))
  const key = newKey()
  const first = await upload(clinic, csv(...manyRows(3)), { key })
  const again = await upload(clinic, csv(...manyRows(3)), { key })
  expect(again).toMatchObject({ status: 202, text: first.text })
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
  expect(await strayRows()).toBe(0)
})

test('ten equal uploads race: one job, ten equal replies', async () => {
  const clinic = await openClinic()
  const key = newKey()
  const replies = await Promise.all(times(10, () => upload(clinic, csv(...manyRows(600)), { key })))
  expect(statuses(replies)).toEqual({ 202: 10 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect(await leftOf(clinic)).toMatchObject({ imports: 1, chunks: 1 })
  expect(await strayRows()).toBe(0)
})

test.each(['with KV', 'without KV'])('a key that belongs to another file is refused, %s', async (kv) => {
  const clinic = await openClinic()
  if (kv === 'without KV')
    vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
  const key = newKey()
  await upload(clinic, csv('A,B,'), { key })
  expect(await upload(clinic, csv('C,D,'), { key })).toMatchObject({
    status: 422,
    body: { type: 'urn:doctorday:problem:idempotency_key_reused' },
  })
  expect(await leftOf(clinic)).toMatchObject({ imports: 1 })
  expect(await strayRows()).toBe(0)
})

test('the same key of another clinic is another key', async () => {
  const [one, other] = [await openClinic(), await openClinic()]
  const key = newKey()
  const replies = [await upload(one, csv('A,B,'), { key }), await upload(other, csv('C,D,'), { key })]
  expect(statuses(replies)).toEqual({ 202: 2 })
})

test('a refused file does not spend its key', async () => {
  const clinic = await openClinic()
  const key = newKey()
  expect((await upload(clinic, csv(',B,'), { key })).status).toBe(400)
  expect((await upload(clinic, csv('A,B,'), { key })).status).toBe(202)
})

test.each<[string, () => Promise<never>]>([
  ['refuses', () => Promise.reject(new Error('queue is down'))],
  ['hangs', () => new Promise<never>(() => {})],
])(
  'a queue that %s: 503 in two seconds with Retry-After, no job, and the key works later',
  async (_, send) => {
    const clinic = await openClinic()
    const key = newKey()
    queueSpy().mockImplementation(send)
    const startedAt = Date.now()
    const reply = await upload(clinic, csv(...manyRows(3)), { key })
    expect(Date.now() - startedAt).toBeLessThan(2_000)
    expect(reply).toMatchObject({ status: 503, body: { type: 'urn:doctorday:problem:unavailable' } })
    expect(Number(reply.headers.get('Retry-After'))).toBeGreaterThan(0)
    await expectNothingLeft(clinic)
    expect((await clinic.get(`${HOSPITALS}/jobs`)).body).toEqual({ total_jobs: 0, jobs: [] })
    heldQueue()
    expect((await upload(clinic, csv(...manyRows(3)), { key })).status).toBe(202)
  },
)

test('equal uploads that race while the queue is dead all get 503 and leave nothing', async () => {
  const clinic = await openClinic()
  const key = newKey()
  queueSpy().mockRejectedValue(new Error('queue is down'))
  const replies = await Promise.all(times(5, () => upload(clinic, csv(...manyRows(3)), { key })))
  expect(statuses(replies)).toEqual({ 503: 5 })
  await expectNothingLeft(clinic)
})

test('where a send fails but its message came through, the job stands', async () => {
  const clinic = await openClinic()
  queueSpy().mockImplementation(async (messages) => {
    await deliver([...messages].map(({ body }) => body))
    throw new Error('the answer was lost')
  })
  const { status, body } = await upload(clinic, csv('A,B,'))
  expect(status).toBe(202)
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('completed')
})

test('rows of an upload that crashed are removed by the alarm, once no upload can take so long', async () => {
  const clinic = await openClinic()
  const jobId = crypto.randomUUID()
  await env.DB.prepare(
    `INSERT INTO import_rows (job_id, row, name, address, folded) VALUES (?, 2, 'A', 'B', 'a')`,
  )
    .bind(jobId)
    .run()
  const job = env.BULK_JOB.getByName(jobId)
  await job.watch(clinic.clinicId, Date.now() + 60_000)
  await runDurableObjectAlarm(job)
  expect(await strayRows()).toBe(1)
  await job.watch(clinic.clinicId, Date.now() - 1)
  await runDurableObjectAlarm(job)
  expect(await strayRows()).toBe(0)
  expect(await runDurableObjectAlarm(job)).toBe(false)
})

test('an upload whose rows were removed while it went on cannot become a job', async () => {
  const clinic = await openClinic()
  const key = newKey()
  let isOpen = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!isOpen) controller.enqueue(utf8(csv(...manyRows(1_000))))
      else {
        await vi.waitUntil(async () => (await strayRows()) > 0)
        await env.DB.prepare('DELETE FROM import_rows WHERE job_id NOT IN (SELECT id FROM imports)').run()
        controller.enqueue(utf8('Last,Street,\n'))
        controller.close()
      }
      isOpen = true
    },
  })
  expect((await uploadRaw(clinic, body, key)).status).toBe(503)
  await expectNothingLeft(clinic)
  expect((await uploadRaw(clinic, csv('A,B,'), key)).status).toBe(202)
})

test('a key without the scope hospitals:write may not upload', async () => {
  const reader = await openClinic({ scopes: ['hospitals:read'] })
  expect((await upload(reader, csv('A,B,'))).status).toBe(403)
  expect((await reader.get(`${HOSPITALS}/jobs`)).status).toBe(200)
})
