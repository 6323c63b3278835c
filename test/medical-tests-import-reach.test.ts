import { expect, test } from 'vitest'
import { type Client, keyFor, openClinic, type Reply } from './clinic'
import { badFile, deliver, holdTheQueue, newKey, refused, strayRows } from './directory'
import {
  asCsv,
  asNdjson,
  BULK,
  countsOf,
  imported,
  outcomesOf,
  statusOf,
  storedOf,
  testRow,
  upload,
} from './lab'

const sent = holdTheQueue()

const FOREIGN = "'clinic_id' is no clinic of this API key; send its own clinic_id"

test('a row of another clinic is refused before anything is kept, in the words for one that does not exist', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const own = testRow(clinic.clinicId, 'T1')
  expect((await clinic.post('/tests', testRow(other.clinicId, 'T2'))).status).toBe(404)
  for (const clinicId of [other.clinicId, crypto.randomUUID()]) {
    const reply = await upload(clinic, asCsv([own, testRow(clinicId, 'T2')]))
    expect(refused(reply)).toEqual(badFile(`Row 3: ${FOREIGN}`))
    expect(reply.text).not.toContain(clinicId)
  }
  expect([sent, await strayRows(), await storedOf(clinic), await storedOf(other)]).toEqual([[], 0, {}, {}])
})

test('a partial import takes the own rows only, and lists the others to the key that sent them', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const rows = [testRow(clinic.clinicId, 'T1'), testRow(other.clinicId, 'T2')]
  const { job, status } = await imported(sent, clinic, asNdjson(rows), {
    format: 'ndjson',
    query: '?mode=partial',
  })
  expect(outcomesOf(status)).toEqual(['created', 'failed invalid'])
  expect(Object.keys(await storedOf(clinic))).toEqual(['T1'])
  expect((await clinic.get(`${BULK}/${job}/failed.csv`)).text).toContain(
    `T2,P-T2,${other.clinicId},blood,negative,2,invalid; Row 2: ${FOREIGN}`,
  )
})

test('a key with clinics:* imports records of any clinic, and each belongs to its clinic', async () => {
  const [lab, clinic] = [await openClinic({ scopes: ['*', 'clinics:*'] }), await openClinic()]
  const rows = [testRow(lab.clinicId, 'T1'), testRow(clinic.clinicId, 'T2')]
  const { status } = await imported(sent, lab, asCsv(rows))
  expect(countsOf(status)).toEqual({ total: 2, processed: 2, duplicate: 0, failed: 0 })
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body).toMatchObject([rows[1]])
  expect((await lab.get(`/tests?clinic_id=${lab.clinicId}`)).body).toMatchObject([rows[0]])
})

test('a test_id is unique in the namespace of the clinic that sends it: another clinic can use it too', async () => {
  const [lab, clinic] = [await openClinic({ scopes: ['*', 'clinics:*'] }), await openClinic()]
  await imported(sent, lab, asCsv([testRow(clinic.clinicId, 'T', 'positive')]))
  const { status } = await imported(sent, clinic, asCsv([testRow(clinic.clinicId, 'T')]))
  expect(outcomesOf(status)).toEqual(['created'])
  const listed = (await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body
  expect(listed.map(({ result }: { result: string }) => result)).toEqual(['positive', 'negative'])
})

/** Everything of a job that shows rows, as one text. */
async function shownOf(clinic: Client, job: string): Promise<string> {
  const paths = [
    '',
    '?rows=all',
    '?rows=created',
    '?rows=duplicate',
    '?rows=failed',
    '/failed.csv',
    '/succeeded.csv',
  ]
  const replies: Reply[] = []
  for (const path of paths) replies.push(await clinic.get(`${BULK}/${job}${path}`))
  expect(replies.map(({ status }) => status)).toEqual(paths.map(() => 200))
  return replies.map(({ text }) => text).join('\n')
}

test('rows of other clinics that a key with clinics:* has sent are shown to no key without it', async () => {
  const [lab, clinic] = [await openClinic({ scopes: ['*', 'clinics:*'] }), await openClinic()]
  const desk = await keyFor(lab.clinicId, ['tests:read', 'tests:write'])
  const of = (clinicId: string, name: string) => ({
    ...testRow(clinicId, name, `Result-${name}`),
    patient_id: name,
  })
  await lab.post('/tests', of(clinic.clinicId, 'known'))
  await lab.post('/tests', { ...of(clinic.clinicId, 'other'), result: 'x' })
  const rows = ['known', 'other', 'new'].map((name) => of(clinic.clinicId, name))
  const bad = { ...of(clinic.clinicId, 'bad'), test_type: '' }
  const ownBad = { ...of(lab.clinicId, 'own-bad'), test_type: '' }
  const { job, status } = await imported(sent, lab, asCsv([...rows, bad, of(lab.clinicId, 'own'), ownBad]), {
    query: '?mode=partial',
  })
  expect(outcomesOf(status)).toEqual([
    'duplicate duplicate_in_directory',
    'failed differs',
    'created',
    'failed invalid',
    'created',
    'failed invalid',
  ])
  const [all, some] = [await shownOf(lab, job), await shownOf(desk, job)]
  for (const name of ['known', 'other', 'new', 'bad']) {
    expect([name, all.includes(`"test_id":"${name}"`), some.includes(`"test_id":"${name}"`)]).toEqual([
      name,
      true,
      false,
    ])
    expect([name, some.includes(`Result-${name}`)]).toEqual([name, false])
  }
  expect(some).not.toContain(clinic.clinicId)
  expect(some).toContain('"test_id":"own"')
  expect(some).toContain('Result-own-bad')
})

test('a repair by a key with clinics:* can move a row to another clinic, and then only such keys see it', async () => {
  const [desk, clinic] = [await openClinic(), await openClinic()]
  const lab = await keyFor(desk.clinicId, ['tests:read', 'tests:write', 'clinics:*'])
  const { job } = await imported(
    sent,
    desk,
    asCsv([testRow(desk.clinicId, 'T1'), { ...testRow(desk.clinicId, 'T2'), result: '' }]),
    { query: '?mode=partial' },
  )
  const corrected = asNdjson([{ ...testRow(clinic.clinicId, 'T2'), row: 3 }])
  const repair = (key: Client) =>
    key.send('POST', `${BULK}/${job}/rows`, corrected, {
      'Idempotency-Key': newKey(),
      'Content-Type': 'application/x-ndjson',
    })
  expect(refused(await repair(desk))).toEqual(badFile(`Row 3: ${FOREIGN}`))
  expect((await repair(lab)).status).toBe(202)
  await deliver(sent.splice(0))
  expect(countsOf(await statusOf(desk, job))).toEqual({ total: 2, processed: 2, duplicate: 0, failed: 0 })
  expect((await statusOf(lab, job)).result.tests).toHaveLength(2)
  expect((await statusOf(desk, job)).result.tests).toEqual([{ row: 2, test_id: 'T1', status: 'created' }])
})
