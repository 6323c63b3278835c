import { expect, test } from 'vitest'
import { openClinic, statuses, times } from './clinic'
import {
  badFile,
  csv,
  expectNothingLeft,
  holdTheQueue,
  leftOf,
  manyRows,
  NOTHING,
  refused,
  upload,
  uploadRaw,
  uploadUnder,
  utf8,
} from './directory'

holdTheQueue()

test('every bad row is told, each with its row and field, even behind hundreds of good ones', async () => {
  const clinic = await openClinic()
  const { status, body } = await upload(
    clinic,
    csv(
      ...manyRows(1_200),
      ',Street 1,1',
      ...manyRows(700, 2_000),
      'Mercy,  ,',
      ',,1',
      ...manyRows(3, 5_000),
    ),
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
  const { body } = await upload(clinic, 'name,address\n\nClinic,"A\nB\nC"\n   \nMercy,\n')
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
