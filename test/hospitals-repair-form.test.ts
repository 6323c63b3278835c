import { expect, test } from 'vitest'
import { type Client, openClinic, statuses } from './clinic'
import {
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  leftOf,
  newKey,
  statusOf,
  upload,
} from './directory'

holdTheQueue()

const form = (text: string, name: string) => {
  const filled = new FormData()
  filled.set('file', new File([text], name))
  return filled
}

const repair = (clinic: Client, job: string, body: BodyInit, key: string, headers = {}) =>
  clinic.send('POST', `${HOSPITALS}/jobs/${job}/rows`, body, { 'Idempotency-Key': key, ...headers })

/** Row 2 is good, row 3 the same again. */
async function withFailure() {
  const [clinic, sent] = [await openClinic(), heldQueue()]
  const { body } = await upload(clinic, csv('Mercy,1 High St,', 'MERCY,1 high st,'))
  await deliver(sent.splice(0))
  return { clinic, sent, job: body.job_id as string }
}

const REPAIRED = 'name,address,phone,row\nHope,2 High St,,3\n'

test('a repair may come as a browser’s form sends it, and is the same request as the bare file', async () => {
  const { clinic, sent, job } = await withFailure()
  const key = newKey()
  const replies = [
    await repair(clinic, job, form(REPAIRED, 'failed.csv'), key),
    await repair(clinic, job, form(REPAIRED, 'again.csv'), key),
    await repair(clinic, job, REPAIRED, key, { 'Content-Type': 'text/csv' }),
  ]
  expect(statuses(replies)).toEqual({ 202: 3 })
  await deliver(sent.splice(0))
  expect((await statusOf(clinic, job)).body).toMatchObject({
    status: 'completed',
    processed_hospitals: 2,
    failed_hospitals: 0,
    result: { batch_activated: true },
  })
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 2 })
})

test('a form whose file is no CSV, or that has none, repairs nothing', async () => {
  const { clinic, job } = await withFailure()
  const empty = new FormData()
  empty.set('note', 'no file')
  const replies = [
    await repair(clinic, job, form(REPAIRED, 'failed.xlsx'), newKey()),
    await repair(clinic, job, empty, newKey()),
  ]
  expect(replies.map(({ status, body }) => [status, body.type])).toEqual([
    [400, '/problems/invalid_file'],
    [400, '/problems/invalid_file'],
  ])
  expect((await statusOf(clinic, job)).body).toMatchObject({ status: 'completed', failed_hospitals: 1 })
})
