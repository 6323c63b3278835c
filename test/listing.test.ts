import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { allPages, type FrontDesk, openFrontDesk, times } from './clinic'
import { soon } from './soon'

const LIST = '/api/v1/appointments'
const DAYS = ['2040-03-14', '2040-03-15', '2040-03-16']

interface Listed {
  id: string
  date: string
  slot: number
  patient_id: string
  doctor_id: string
}

/** Two doctors, three patients, three days: each patient sees each doctor each day, 18 appointments. */
async function openBusyClinic(): Promise<FrontDesk & { otherDoctorId: string; booked: Listed[] }> {
  const desk = await openFrontDesk({ patients: 3 })
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const booked: Listed[] = []
  for (const doctorId of [desk.doctorId, other.id])
    for (const date of DAYS)
      for (const patient of [0, 1, 2]) booked.push((await desk.book({ date, doctorId, patient })).body)
  await soon(async () => {
    const counted = 'SELECT count(*) AS n FROM appointments WHERE clinic_id = ?'
    expect(await env.DB.prepare(counted).bind(desk.clinicId).first('n')).toBe(18)
  })
  return { ...desk, otherDoctorId: other.id, booked }
}

const sortKey = ({ date, id }: Listed) => `${date} ${id}`
const inOrder = (appointments: Listed[]) =>
  appointments.toSorted((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1))

const pagesOf = async (desk: FrontDesk, path: string): Promise<Listed[][]> =>
  (await allPages(desk, path)).map(({ body }) => body)

test('appointments are listed across doctors and days as they were booked, by date', async () => {
  const desk = await openBusyClinic()
  const { status, body, headers } = await desk.get(LIST)
  expect(status).toBe(200)
  expect(body).toEqual(inOrder(desk.booked))
  expect(headers.get('Link')).toBeNull()
})

test('a patient, a doctor, dates and a status narrow the list, alone and together', async () => {
  const desk = await openBusyClinic()
  const patient = desk.patientIds[1]
  const [, middle] = DAYS
  const filters: [search: string, keeps: (appointment: Listed) => boolean][] = [
    [`patient_id=${patient}`, ({ patient_id }) => patient_id === patient],
    [`doctor_id=${desk.otherDoctorId}`, ({ doctor_id }) => doctor_id === desk.otherDoctorId],
    [`from=${middle}`, ({ date }) => date >= `${middle}`],
    [`to=${middle}`, ({ date }) => date <= `${middle}`],
    [`from=${middle}&to=${middle}`, ({ date }) => date === middle],
    ['status=booked', () => true],
    ['patient_id=nobody', () => false],
    [
      `patient_id=${patient}&doctor_id=${desk.doctorId}&from=${middle}&status=booked`,
      ({ patient_id, doctor_id, date }) =>
        patient_id === patient && doctor_id === desk.doctorId && date >= `${middle}`,
    ],
  ]
  for (const [search, keeps] of filters) {
    const { body } = await desk.get(`${LIST}?${search}`)
    expect([search, body]).toEqual([search, inOrder(desk.booked.filter(keeps))])
  }
})

test('pages of any size lead through the list once, filtered or not', async () => {
  const desk = await openBusyClinic()
  for (const search of [
    '',
    `doctor_id=${desk.doctorId}&`,
    `patient_id=${desk.patientIds[0]}&`,
    'from=2040-03-15&',
  ]) {
    const whole = (await desk.get(`${LIST}?${search}`)).body
    for (const size of [1, 2, 5, 18]) {
      const pages = await pagesOf(desk, `${LIST}?${search}limit=${size}`)
      expect([search, size, pages.flat()]).toEqual([search, size, whole])
      expect(pages).toHaveLength(Math.ceil(whole.length / size))
    }
  }
})

test('what is booked while someone turns the pages makes no other appointment appear twice or not at all', async () => {
  const desk = await openBusyClinic()
  const first = await desk.get(`${LIST}?limit=9`)
  const next = first.headers.get('Link')?.match(/<(.+)>/)?.[1] ?? ''
  await desk.book({ date: '2040-03-01' })
  await soon(async () => expect((await desk.get(`${LIST}?to=2040-03-01`)).body).toHaveLength(1))
  expect([...first.body, ...(await desk.get(next)).body]).toEqual(inOrder(desk.booked))
})

test.each([
  ['from=2026-02-30', 'from'],
  ['to=soon', 'to'],
  ['status=lost', 'status'],
  ['limit=0', 'limit'],
  ['cursor=x', 'cursor'],
  ...[
    '["2040-03-14",1e999]',
    '["2040-03-14","\\ud800"]',
    '["2040-03-14", "x"]',
    '["2040-03-14","x","y"]',
    '["2040-03-14","\u0000"]',
    '[1e999,"x"]',
    '7',
    '{}',
  ].map((text) => [`cursor=${Buffer.from(text).toString('base64url')}`, 'cursor']),
  ['patient_id=', 'patient_id'],
])('a list with ?%s is 400', async (search, field) => {
  const desk = await openFrontDesk()
  const { status, body } = await desk.get(`${LIST}?${search}`)
  expect([status, body.errors[0].field]).toEqual([400, field])
})

test('another clinic sees none of them, whichever ids and cursor it names', async () => {
  const [desk, stranger] = [await openBusyClinic(), await openFrontDesk()]
  const { headers } = await desk.get(`${LIST}?limit=1`)
  const cursor = new URL(
    headers.get('Link')?.match(/<(.+)>/)?.[1] ?? '',
    'https://clinic.test',
  ).searchParams.get('cursor')
  const searches = [`patient_id=${desk.patientIds[0]}`, `doctor_id=${desk.doctorId}`, `cursor=${cursor}`, '']
  for (const search of searches)
    expect([search, (await stranger.get(`${LIST}?${search}`)).body]).toEqual([search, []])
})

test('the list comes from D1’s copy: it works while the days are out of reach, and after they are back', async () => {
  const desk = await openBusyClinic()
  const spy = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get')
  spy.mockImplementation(() => {
    throw new Error('The days are gone')
  })
  const { status, body } = await desk.get(LIST)
  spy.mockRestore()
  expect([status, body]).toEqual([200, inOrder(desk.booked)])
})

test.each([
  ['appointments_by_date', ''],
  ['appointments_by_status', 'status=booked'],
  ['appointments_by_date', 'from=2040-03-14&to=2040-03-15'],
  ['appointments_by_doctor', 'doctor_id=x&from=2040-03-14'],
  ['appointments_by_patient', 'patient_id=x&to=2040-03-15&status=booked'],
])('the index %s answers ?%s and its next page, already in order', async (index, search) => {
  const desk = await openFrontDesk()
  const cursor = Buffer.from(JSON.stringify(['2040-03-14', 'x'])).toString('base64url')
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  await desk.get(`${LIST}?${search}`)
  await desk.get(`${LIST}?${search}&cursor=${cursor}`)
  const asked = prepared.mock.calls
    .map(([text]) => text)
    .filter((text) => text.includes('from "appointments"'))
  prepared.mockRestore()
  expect(asked).toHaveLength(2)
  for (const text of asked) {
    const plan = env.DB.prepare(`EXPLAIN QUERY PLAN ${text}`)
    const { results } = await plan.bind(...times(text.split('?').length - 1, () => 1)).all()
    expect(results).toEqual([
      expect.objectContaining({ detail: expect.stringContaining(`USING INDEX ${index} (`) }),
    ])
  }
})
