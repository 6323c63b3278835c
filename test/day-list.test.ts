import { env } from 'cloudflare:workers'
import { createHash } from 'node:crypto'
import { parse } from 'csv-parse/sync'
import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, keyFor, openFrontDesk } from './clinic'

const NOON = new Date(`${DAY}T12:00:00Z`)
afterEach(() => vi.useRealTimers())

const HOSTILE = '<script>alert(1)</script> "&\' </td> =1+1'

async function openBusyDesk(timeZone = 'UTC'): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients: 3, timeZone })
  await desk.send(
    'PATCH',
    `/api/v1/doctors/${desk.doctorId}`,
    JSON.stringify({
      working_hours: { from: '09:00', to: '12:00', minutes_per_slot: 20 },
    }),
  )
  const hostile = { name: HOSTILE, phone: '+1 202 555 0190', age: 44 }
  const { body } = await desk.post('/api/v1/patients', hostile)
  const patientIds = [...desk.patientIds, body.id]
  for (const patient_id of patientIds) await desk.book({ date: DAY, patient_id })
  return { ...desk, patientIds }
}

const listOf = (desk: Pick<FrontDesk, 'get'>, doctorId: string, search = '', headers?: HeadersInit) =>
  desk.get(`/api/v1/doctors/${doctorId}/days/${DAY}/list${search}`, headers)

test('the list of a day has each appointment with name, phone and age, by slot, at its times', async () => {
  const desk = await openBusyDesk('America/New_York')
  const { body } = await listOf(desk, desk.doctorId)
  expect(
    body.map(({ slot, patient_name, phone, age, status }: Record<string, unknown>) => [
      slot,
      patient_name,
      phone,
      age,
      status,
    ]),
  ).toEqual([
    [1, 'Patient 0', '+12025550000', null, 'booked'],
    [2, 'Patient 1', '+12025550001', null, 'booked'],
    [3, 'Patient 2', '+12025550002', null, 'booked'],
    [4, HOSTILE, '+12025550190', 44, 'booked'],
  ])
  expect(body[1].starts_at).toBe(`${DAY}T09:20:00-04:00`)
})

test('it is right at once: after a cancellation, a no-show and a check-in, and a corrected name', async () => {
  const desk = await openBusyDesk()
  const { body: before } = await listOf(desk, desk.doctorId)
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const [first, second, third] = before.map((row: { appointment_id: string }) => row.appointment_id)
  await desk.post(`/api/v1/appointments/${first}/cancel`)
  await desk.post(`/api/v1/checkins/${second}/no-show`)
  await desk.post('/api/v1/checkins', { appointment_id: third, patient_id: desk.patientIds[2] })
  const path = `/api/v1/patients/${desk.patientIds[3]}`
  const etag = (await desk.get(path)).headers.get('ETag') ?? ''
  await desk.send('PATCH', path, JSON.stringify({ name: 'Corrected' }), { 'If-Match': etag })
  const { body } = await listOf(desk, desk.doctorId)
  expect(
    body.map(({ slot, patient_name, status }: Record<string, unknown>) => [slot, patient_name, status]),
  ).toEqual([
    [2, 'Patient 1', 'no_show'],
    [3, 'Patient 2', 'checked_in'],
    [4, 'Corrected', 'booked'],
  ])
})

test('a browser gets a page with all of it, in which a name is text and nothing runs', async () => {
  const desk = await openBusyDesk()
  for (const page of [
    await listOf(desk, desk.doctorId, '?format=html'),
    await listOf(desk, desk.doctorId, '', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }),
  ]) {
    expect(page.headers.get('Content-Type')).toBe('text/html; charset=UTF-8')
    expect(page.headers.get('Cache-Control')).toBe('no-store')
    expect(page.headers.get('Referrer-Policy')).toBe('no-referrer')
    expect(page.text).toContain('Patient 0')
    expect(page.text).toContain('09:20–09:40')
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;&#39; &lt;/td&gt; =1+1')
    expect(page.text).not.toContain('<script')
    expect(page.text.match(/<td/g)).toHaveLength(4 * 8)
  }
})

test('the policy of the page allows its own style and nothing else', async () => {
  const desk = await openBusyDesk()
  const { text, headers } = await listOf(desk, desk.doctorId, '?format=html')
  const style = text.match(/<style>(.*)<\/style>/s)?.[1] ?? ''
  const hash = createHash('sha256').update(style).digest('base64')
  expect(headers.get('Content-Security-Policy')).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
})

test('the title names nobody, and the doctor is named to keys that may read doctors', async () => {
  const desk = await openBusyDesk()
  const { text } = await listOf(desk, desk.doctorId, '?format=html')
  expect(text).toContain('<title>Day list</title>')
  expect(text).toContain('<bdi>Grace Hopper</bdi> · 4 appointments')
  const key = await keyFor(desk.clinicId, ['appointments:read', 'patients:read'])
  expect((await listOf(key, desk.doctorId, '?format=html')).text).not.toContain('Grace Hopper')
})

test('what a visit is for is on the list and on paper, for keys that may read services', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body: service } = await desk.post('/api/v1/services', { name: 'Echo <b>' })
  await desk.book({ date: DAY, service_id: service.id })
  await desk.book({ date: DAY, patient: 1 })
  const services = async (key: Pick<FrontDesk, 'get'>) =>
    (await listOf(key, desk.doctorId)).body.map((row: { service: string | null }) => row.service)
  expect(await services(desk)).toEqual(['Echo <b>', null])
  expect(await services(await keyFor(desk.clinicId, ['appointments:read', 'patients:read']))).toEqual([
    null,
    null,
  ])
  expect((await listOf(desk, desk.doctorId, '?format=html')).text).toContain('<bdi>Echo &lt;b&gt;</bdi>')
})

test('the list as CSV is safe in a spreadsheet', async () => {
  const desk = await openBusyDesk()
  const { text, headers } = await listOf(desk, desk.doctorId, '', { Accept: 'text/csv' })
  expect(headers.get('Content-Disposition')).toBe('attachment; filename="list.csv"')
  const rows = parse(text, { columns: true }) as Record<string, string>[]
  expect(rows.map(({ phone, patient_name }) => [phone, patient_name]).at(-1)).toEqual([
    "'+12025550190",
    HOSTILE,
  ])
})

test('an unused day is an empty list and an empty page', async () => {
  const desk = await openFrontDesk()
  expect((await listOf(desk, desk.doctorId)).text).toBe('[]\n')
  expect((await listOf(desk, desk.doctorId, '?format=html')).text).toContain('0 appointments')
})

test('it needs the right to read appointments and patients', async () => {
  const desk = await openFrontDesk()
  for (const scope of ['appointments:read', 'patients:read'])
    expect((await listOf(await keyFor(desk.clinicId, [scope]), desk.doctorId)).status).toBe(403)
})

test('another clinic’s day is 404, and a patient of another clinic is not named, whatever a day says', async () => {
  const [desk, other] = [await openBusyDesk(), await openFrontDesk()]
  expect((await listOf(other, desk.doctorId)).status).toBe(404)
  await env.DB.prepare('UPDATE patients SET clinic_id = ? WHERE id = ?')
    .bind(other.clinicId, desk.patientIds[3])
    .run()
  const { body, text } = await listOf(desk, desk.doctorId)
  expect(body.map(({ patient_name }: Record<string, unknown>) => patient_name)).toEqual([
    'Patient 0',
    'Patient 1',
    'Patient 2',
    '',
  ])
  expect(text).not.toContain('2025550190')
})

test('a form that the list has not is 400', async () => {
  const desk = await openFrontDesk()
  expect((await listOf(desk, desk.doctorId, '?format=pdf')).body.errors).toEqual([
    { field: 'format', rule: 'choice', message: 'format must be one of json, csv, html' },
  ])
})
