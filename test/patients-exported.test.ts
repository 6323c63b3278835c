import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { type Client, openClinic, times } from './clinic'
import { deliver, holdTheQueue, newKey } from './directory'

/** Files of patients before and after their import: what a dry run foretells, and exported files sent again. */

const BULK = '/api/v1/patients/bulk'
const sent = holdTheQueue()
const csv = (...rows: string[]) => ['name,phone,shared_phone', ...rows, ''].join('\n')

const upload = (clinic: Client, file: string, query = '') =>
  clinic.send('POST', BULK + query, file, { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' })

const stored = async ({ clinicId }: Client) =>
  (await env.DB.prepare('SELECT name, phone FROM patients WHERE clinic_id = ?').bind(clinicId).all()).results

test('a dry run foretells which rows fail because their phone belongs to another patient', async () => {
  const clinic = await openClinic()
  await clinic.post('/api/v1/patients', { name: 'Ada', phone: '+1 202 555 0101' })
  const file = csv(
    'Bob,+1 202 555 0101,',
    'Carl,+1 202 555 0102,',
    'Dora,+1 202 555 0102,',
    'Emma,+1 202 555 0102,true',
    'Ada,2025550101,',
    'Fay,+1 202 555 0101,true',
    ',+1 202 555 0103,',
  )
  const dry = (await upload(clinic, file, '?dry_run=true&mode=partial')).body
  expect(dry).toMatchObject({ create: 3, duplicate: 1, invalid: 3, total: 7 })
  expect(dry.faults.map(({ row, field }: Record<string, unknown>) => [row, field])).toEqual([
    [2, 'phone'],
    [4, 'phone'],
    [8, 'name'],
  ])
  const { body } = await upload(clinic, file, '?mode=partial')
  await deliver(sent.splice(0))
  expect((await clinic.get(`${BULK}/${body.job_id}`)).body).toMatchObject({
    processed_patients: 3,
    failed_patients: 4,
  })
})

test('what an import has exported can be uploaded as a new file: its cells are what they were', async () => {
  const clinic = await openClinic()
  const failing = 'name,phone,email\n=Ada,+1 202 555 0101,-\n'
  const { body } = await upload(clinic, `${failing}Bob,+1 202 555 0102,\n`, '?mode=partial')
  await deliver(sent.splice(0))
  const failed = (await clinic.get(`${BULK}/${body.job_id}/failed.csv`)).text
  expect(failed).toContain("\n'=Ada,'+1 202 555 0101,")
  const corrected = failed.replace(/'-,/, 'ada@example.com,')
  expect((await upload(clinic, corrected, '?mode=partial')).status).toBe(202)
  await deliver(sent.splice(0))
  const succeeded = (await clinic.get(`${BULK}/${body.job_id}/succeeded.csv`)).text
  expect(succeeded).toContain("'+12025550102")
  const elsewhere = await openClinic()
  expect((await upload(elsewhere, succeeded)).status).toBe(202)
  await deliver(sent.splice(0))
  const all = [...(await stored(clinic)), ...(await stored(elsewhere))]
  expect(all.map(({ name, phone }) => [name, phone]).sort()).toEqual([
    ['=Ada', '+12025550101'],
    ['Bob', '+12025550102'],
    ['Bob', '+12025550102'],
  ])
})

test('of many taken phones a dry run counts all and tells the first thousand', async () => {
  const clinic = await openClinic()
  const rows = times(1_202, (n) => `Patient ${n},+1 202 555 0101,`)
  const { body } = await upload(clinic, csv(...rows), '?dry_run=true')
  expect(body).toMatchObject({ create: 1, duplicate: 0, invalid: 1_201, total: 1_202 })
  expect(body.faults).toHaveLength(1_000)
  expect([body.faults[0].row, body.faults.at(-1).row]).toEqual([3, 1_002])
})
