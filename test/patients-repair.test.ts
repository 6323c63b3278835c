import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, statuses, times } from './clinic'
import { deliver, holdTheQueue, newKey, strayRows } from './directory'

const BULK = '/api/v1/patients/bulk'
const sent = holdTheQueue()

const asCsv = (key: string) => ({ 'Idempotency-Key': key, 'Content-Type': 'text/csv' })
const statusOf = async (clinic: Client, job: string) => (await clinic.get(`${BULK}/${job}`)).body
const move = (clinic: Client, job: string, step: 'cancel' | 'resume', key?: string) =>
  clinic.send('POST', `${BULK}/${job}/${step}`, null, key ? { 'Idempotency-Key': key } : {})

const repair = (clinic: Client, job: string, rows: string[], key = newKey()) =>
  clinic.send('POST', `${BULK}/${job}/rows`, ['name,phone,shared_phone,row', ...rows].join('\n'), asCsv(key))

async function imported(clinic: Client, ...rows: string[]): Promise<string> {
  const file = ['name,phone,shared_phone', ...rows, ''].join('\n')
  const { body } = await clinic.send('POST', `${BULK}?mode=partial`, file, asCsv(newKey()))
  await deliver(sent.splice(0))
  return body.job_id
}

const outcomes = async (clinic: Client, job: string): Promise<string[]> =>
  (await statusOf(clinic, job)).result.patients.map((row: Record<string, string>) => row.reason ?? row.status)

const phoneOf = (n: number) => `+1202555${String(n).padStart(4, '0')}`

/** Rows 2 and 3 are good; 4 has a phone that is none, 5 another name on the phone of row 2. */
const withFailures = (clinic: Client) =>
  imported(
    clinic,
    `Ada Lovelace,${phoneOf(1)},`,
    `Grace Hopper,${phoneOf(2)},`,
    'Hedy Lamarr,no phone at all,',
    `Tim Lovelace,${phoneOf(1)},`,
  )

test('repaired rows become patients, no others run again, and each says what became of it', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  expect(await outcomes(clinic, job)).toEqual(['created', 'created', 'invalid', 'phone_in_use'])
  const reply = await repair(clinic, job, [
    `Hedy Lamarr,${phoneOf(3)},,4`,
    `Tim Lovelace,${phoneOf(1)},true,5`,
  ])
  expect(reply).toMatchObject({ status: 202, body: { job_id: job, status: 'processing' } })
  expect(reply.body.message).toContain(`${BULK}/${job}`)
  await deliver(sent.splice(0))
  expect(await outcomes(clinic, job)).toEqual(times(4, () => 'created'))
  const again = await clinic.post('/api/v1/patients', { name: 'Hedy Lamarr', phone: phoneOf(3) })
  expect(again.status).toBe(200)
  expect((await statusOf(clinic, job)).processed_patients).toBe(4)
})

test('failed.csv, corrected and sent back, is the repair; succeeded.csv names the patients', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const failed = (await clinic.get(`${BULK}/${job}/failed.csv`)).text
  const corrected = failed.replace('no phone at all', phoneOf(3)).replace('false,,,,,5', 'true,,,,,5')
  expect((await clinic.send('POST', `${BULK}/${job}/rows`, corrected, asCsv(newKey()))).status).toBe(202)
  await deliver(sent.splice(0))
  const { text } = await clinic.get(`${BULK}/${job}/succeeded.csv`)
  const [header, ...rows] = text.trimEnd().split('\r\n')
  expect(header).toBe('name,phone,age,gender,email,shared_phone,birth_date,language,notes,contact_ok,row,id')
  expect(rows).toHaveLength(4)
  const id = rows
    .find((row) => row.startsWith('Hedy Lamarr'))
    ?.split(',')
    .at(-1)
  expect((await clinic.get(`/api/v1/patients/${id}`)).body).toMatchObject({ name: 'Hedy Lamarr' })
})

test('a row that a repair gives the phone of another patient of the file has to share it', async () => {
  const clinic = await openClinic()
  const job = await imported(clinic, 'Hedy Lamarr,no phone at all,', `Ada Lovelace,${phoneOf(1)},`)
  await repair(clinic, job, [`Hedy Lamarr,${phoneOf(1)},,2`])
  await deliver(sent.splice(0))
  expect(await outcomes(clinic, job)).toEqual(['phone_in_use', 'created'])
  await repair(clinic, job, [`Hedy Lamarr,${phoneOf(1)},true,2`])
  await deliver(sent.splice(0))
  expect(await outcomes(clinic, job)).toEqual(['created', 'created'])
})

test('a repair of patients is refused by row and field, names none of them, and changes nothing', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const before = (await clinic.get(`${BULK}/${job}/failed.csv`)).text
  const refused = [
    await repair(clinic, job, [`Ada Lovelace,${phoneOf(1)},,2`]),
    await repair(clinic, job, ['Hedy Lamarr,still none,,4']),
    await repair(clinic, job, [`Hedy Lamarr,${phoneOf(3)},perhaps,4`]),
  ]
  expect(refused.map(({ status, body }) => [status, body.message])).toEqual([
    [400, 'Row 2: is not a failed row of this import'],
    [400, "Row 4: 'phone' must be a phone number, with country code or of the clinic’s country"],
    [400, "Row 4: 'shared_phone' must be true or false"],
  ])
  expect((await clinic.get(`${BULK}/${job}/failed.csv`)).text).toBe(before)
  expect(await strayRows()).toBe(0)
})

test('ten equal repairs of patients are one; the key belongs to that file', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const replies = await Promise.all(times(10, () => repair(clinic, job, [`Hedy,${phoneOf(3)},,4`], 'same')))
  await deliver(sent.splice(0))
  expect(statuses(replies)).toEqual({ 202: 10 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect((await repair(clinic, job, [`Hedy,${phoneOf(4)},,4`], 'same')).status).toBe(422)
  expect(await outcomes(clinic, job)).toEqual(['created', 'created', 'created', 'phone_in_use'])
})

test('a cancelled import of patients says what is done, and goes on where it stopped', async () => {
  const clinic = await openClinic()
  const rows = times(1_500, (n) => `Patient ${n},${phoneOf(n)},`)
  const file = ['name,phone,shared_phone', ...rows, ''].join('\n')
  const { body } = await clinic.send('POST', BULK, file, asCsv(newKey()))
  const messages = sent.splice(0)
  await deliver(messages.slice(0, 1))
  const cancelled = await move(clinic, body.job_id, 'cancel')
  expect(cancelled).toMatchObject({
    status: 200,
    body: { status: 'cancelled', processed_patients: 1_000, failed_patients: 0, result: null },
  })
  await deliver(messages)
  expect((await statusOf(clinic, body.job_id)).processed_patients).toBe(1_000)
  expect((await move(clinic, body.job_id, 'resume', 'go')).status).toBe(202)
  expect((await move(clinic, body.job_id, 'resume', 'go')).status).toBe(202)
  await deliver([...sent.splice(0), ...messages])
  expect(await statusOf(clinic, body.job_id)).toMatchObject({
    status: 'completed',
    processed_patients: 1_500,
  })
  expect((await move(clinic, body.job_id, 'cancel')).status).toBe(409)
})

test('repairs, cancels and resumes of patients keep out other clinics, other scopes and other kinds', async () => {
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  const other = await openClinic()
  const reader = await keyFor(clinic.clinicId, ['patients:read'])
  const hospitals = await keyFor(clinic.clinicId, ['hospitals:read', 'hospitals:write'])
  for (const [who, status] of [
    [other, 404],
    [reader, 403],
    [hospitals, 403],
  ] as const) {
    const replies = [
      await repair(who, job, [`Hedy,${phoneOf(3)},,4`]),
      await move(who, job, 'cancel'),
      await move(who, job, 'resume'),
    ]
    expect(replies.map((reply) => reply.status)).toEqual([status, status, status])
  }
  const underHospitals = await clinic.send('POST', `/api/v1/hospitals/jobs/${job}/cancel`, null)
  expect(underHospitals.status).toBe(404)
  expect(await outcomes(clinic, job)).toEqual(['created', 'created', 'invalid', 'phone_in_use'])
})

test('neither names nor phones of a repair get into the logs', async () => {
  const lines: string[] = []
  for (const stream of ['log', 'error'] as const)
    vi.spyOn(console, stream).mockImplementation((line) => lines.push(String(line)))
  const clinic = await openClinic()
  const job = await withFailures(clinic)
  await repair(clinic, job, ['Hedy Lamarr,none,,4'])
  await repair(clinic, job, [`Hedy Lamarr,${phoneOf(3)},,4`])
  await deliver(sent.splice(0))
  expect(lines.length).toBeGreaterThan(4)
  expect(lines.join('\n')).not.toMatch(/Lovelace|Hopper|Lamarr|2025550|no phone at all/)
})
