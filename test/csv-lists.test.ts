import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { parse } from 'csv-parse/sync'
import { afterEach, expect, test, vi } from 'vitest'
import { rearm } from '../src/http/lists/csv-text'
import worker from '../src/index'
import { allPages, DAY, type FrontDesk, openFrontDesk, type Reply, times } from './clinic'
import { operations } from './conformity'
import { soon } from './soon'

afterEach(() => vi.useRealTimers())

const CSV = { Accept: 'text/csv' }
const REPORT = '/api/v1/reports/days'

/** Another program's reading of the answer: the header, and each row by its names. */
function read({ text }: Reply): { header: string[]; rows: Record<string, string>[] } {
  const [header = [], ...records] = parse(text, { bom: true }) as string[][]
  const rows = records.map((cells) =>
    Object.fromEntries(header.map((name, place) => [name, rearm(cells[place] ?? '')])),
  )
  return { header, rows }
}

/** What a cell must say of the same row as JSON. */
function cellOf(row: object, name: string): string {
  const value = name
    .split('.')
    .reduce<unknown>((part, key) => (part as Record<string, unknown> | null)?.[key], row)
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A clinic that has a row in each of its lists, with texts that a spreadsheet could run. */
async function openFullClinic(): Promise<FrontDesk & { leaveId: string }> {
  const desk = await openFrontDesk({ patients: 2, scopes: ['*', 'admin', 'clinics:*'] })
  const hours = { from: '09:00', to: '10:00', minutes_per_slot: 30 }
  await desk.post('/api/v1/doctors', { name: '=HYPERLINK("x")', code: '+1, "2"', working_hours: hours })
  const { body: appointment } = await desk.book({ date: DAY })
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  await desk.post('/api/v1/checkins', {
    appointment_id: appointment.id,
    patient_id: appointment.patient_id,
  })
  const record = { test_id: 't', patient_id: 'p', clinic_id: desk.clinicId, test_type: '@sum' }
  await desk.post('/tests', { ...record, result: 'a, "b"\n-5' })
  await desk.post('/webhook/appointments', {
    event_type: 'updated',
    appointment_id: 'A',
    patient_id: 'P',
    timestamp: '2025-01-10T12:30:00Z',
    notes: '\t=1+1',
  })
  for (const kind of ['hospitals', 'patients'])
    await desk.send('POST', `/api/v1/${kind}/bulk`, 'name,phone,address\nA,2025557777,B\n', {
      'Idempotency-Key': kind,
      'Content-Type': 'text/csv',
    })
  await soon(async () => expect((await desk.get('/api/v1/appointments')).body).toHaveLength(1))
  const dates = { from: '2040-05-01', to: '2040-05-02', reason: '=1+1' }
  await desk.post('/api/v1/closings', dates)
  const { body: leave } = await desk.post(`/api/v1/doctors/${desk.doctorId}/leave`, dates)
  return { ...desk, leaveId: leave.leave_id }
}

const rowsOf = (body: object[] | { events?: object[]; jobs?: object[]; rows?: object[] }): object[] =>
  Array.isArray(body) ? body : (body.events ?? body.jobs ?? body.rows ?? [])

async function lists() {
  const read = (await operations()).filter(({ method }) => method === 'GET')
  return read.map(({ path, operation }) => {
    const answer = operation.responses?.[200]
    const content = answer && 'content' in answer ? (answer.content ?? {}) : {}
    const schema = content['application/json']?.schema
    const takesFormat = operation.parameters?.some((each) => 'name' in each && each.name === 'format')
    return { path, isArray: schema && 'type' in schema && schema.type === 'array', content, takesFormat }
  })
}

test('every list is documented as CSV too, and no other route takes a format', async () => {
  const all = await lists()
  expect(all.filter(({ isArray }) => isArray).length).toBeGreaterThan(9)
  for (const { path, isArray, content, takesFormat } of all) {
    const isCsv = 'text/csv' in content && 'application/json' in content
    expect([path, takesFormat === true]).toEqual([path, isCsv])
    expect([path, isCsv || !isArray]).toEqual([path, true])
  }
})

/** How many rows a list has, in both forms. */
async function sameInBoth(desk: FrontDesk, asked: string): Promise<number> {
  const [json, csv] = [await desk.get(asked), await desk.get(`${asked}&format=csv`)]
  expect([asked, json.status, csv.status]).toEqual([asked, 200, 200])
  const { header, rows } = read(csv)
  const expected = rowsOf(json.body).map((row) =>
    Object.fromEntries(header.map((name) => [name, cellOf(row, name)])),
  )
  expect([asked, rows]).toEqual([asked, expected])
  expect([asked, header.length > 2, new Set(header).size]).toEqual([asked, true, header.length])
  return rows.length
}

test('every list says the same as CSV as it says as JSON, field by field', async () => {
  const desk = await openFullClinic()
  const found = (await lists()).filter(({ takesFormat }) => takesFormat)
  const ofClinic = `?clinic_id=${desk.clinicId}`
  const needed: Record<string, string> = {
    '/tests': ofClinic,
    '/api/v1/appointments/waitlist': `?doctor_id=${desk.doctorId}&date=${DAY}`,
    [REPORT]: `?from=${DAY}&to=${DAY}`,
  }
  const searchOf = (path: string) =>
    needed[path] ??
    (path.endsWith('/slots')
      ? `?from=${DAY}&to=${DAY}`
      : path.includes('{doctor_id}') && !path.includes('{date}')
        ? `?date=${DAY}`
        : '?')
  const filled: string[] = []
  for (const { path } of found) {
    const filledIn = path
      .replace('{leave_id}', desk.leaveId)
      .replace('/patients/{id}', `/patients/${desk.patientIds[0]}`)
      .replace(/\{(doctor_)?id\}/, desk.doctorId)
      .replace('{date}', DAY)
    const asked = filledIn + searchOf(path)
    // An import can go on between the two answers.
    const rows = await soon(() => sameInBoth(desk, asked))
    if (rows > 0) filled.push(path)
  }
  expect(filled.length).toBeGreaterThan(9)
})

test('the search by POST is CSV as the list is, by Accept or format, and names its next page', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const search = '/api/v1/patients/search'
  const first = await desk.post(search, { limit: 1 }, CSV)
  expect(first.headers.get('Content-Type')).toBe('text/csv; charset=utf-8')
  expect(first.headers.get('Vary')).toContain('Accept')
  const cursor = first.headers.get('X-Next-Cursor')
  const second = await desk.post(`${search}?format=csv`, { limit: 1, cursor })
  const { text } = await desk.get('/api/v1/patients?format=csv')
  expect([...read(first).rows, ...read(second).rows]).toEqual(read({ ...first, text }).rows)
  expect((await desk.post(`${search}?format=json`, {}, CSV)).body).toHaveLength(2)
  expect((await desk.post(`${search}?format=xml`, {})).status).toBe(400)
  expect((await desk.post(`${search}?q=x`, {})).status).toBe(400)
})

test('CSV has CRLF after each record, a mark for Excel, a header without rows, and a name without an id', async () => {
  const desk = await openFrontDesk()
  const path = `/api/v1/appointments/doctors/${desk.doctorId}/appointments`
  const { text, headers } = await desk.get(`${path}?date=${DAY}`, CSV)
  const header = `id,patient_id,doctor_id,date,slot,slots,service_id,time_slot,starts_at,ends_at,status,created_at,updated_at`
  expect(text).toBe(`${header}\r\n`)
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}?format=csv`, {
    headers: { 'X-API-Key': desk.key },
  })
  const bytes = await (await worker.fetch(request, env, createExecutionContext())).bytes()
  expect([...bytes.subarray(0, 5)]).toEqual([0xef, 0xbb, 0xbf, 0x69, 0x64])
  expect(headers.get('Content-Type')).toBe('text/csv; charset=utf-8')
  expect(headers.get('Content-Disposition')).toBe('attachment; filename="appointments.csv"')
})

test('no cell of a text begins a formula, and a phone keeps its plus behind a quote', async () => {
  const desk = await openFrontDesk()
  const names = ['=1+1', '+12025550100', '-2+3', '@SUM(1)', "'=1", 'plain, "quoted"', 'José 李']
  for (const [n, name] of names.entries()) await desk.post('/api/v1/doctors', { name, code: `C${n}` })
  const { text } = await desk.get('/api/v1/doctors', CSV)
  const cells = (parse(text, { bom: true, columns: true }) as { name: string }[]).map(({ name }) => name)
  const [first, ...written] = cells
  expect(first).toBe('Grace Hopper')
  expect(written).toEqual(["'=1+1", "'+12025550100", "'-2+3", "'@SUM(1)", "''=1", ...names.slice(5)])
})

test('the fields of an object are columns of their own, and empty where there is no object', async () => {
  const desk = await openFrontDesk()
  const hours = { from: '09:00', to: '10:00', minutes_per_slot: 30 }
  await desk.post('/api/v1/doctors', { name: 'B', code: 'B', working_hours: hours })
  const { rows } = read(await desk.get('/api/v1/doctors?format=csv'))
  const shown = rows.map((row) => [row['working_hours.from'], row['working_hours.minutes_per_slot']])
  expect(shown).toEqual([
    ['', ''],
    ['09:00', '30'],
  ])
})

test('the pages of a list as CSV are those of the list as JSON: Link leads on and keeps the form', async () => {
  const desk = await openFrontDesk()
  for (const n of times(4, (n) => n)) await desk.post('/api/v1/doctors', { name: `D${n}`, code: `D${n}` })
  const pages = await allPages(desk, '/api/v1/doctors?limit=2&format=csv')
  expect(pages.map((page) => read(page).rows.length)).toEqual([2, 2, 1])
  const ids = pages.flatMap((page) => read(page).rows.map(({ id }) => id))
  const { body } = await desk.get('/api/v1/doctors')
  expect(ids).toEqual(body.map(({ id }: { id: string }) => id))
})

test.each([
  ['*/*', 'json'],
  ['', 'json'],
  ['text/csv', 'csv'],
  ['TEXT/CSV', 'csv'],
  ['text/*', 'csv'],
  ['text/csv;q=0.4, application/json;q=0.5', 'json'],
  ['text/csv;q=0.5, application/json;q=0.4', 'csv'],
  ['text/csv, */*', 'csv'],
  ['text/csv;q=0.9, */*', 'json'],
  ['text/csv;q=0', 'json'],
  ['text/csv;q=0, */*', 'json'],
  ['application/json;q=0, */*;q=0.1', 'csv'],
  ['application/json, text/csv', 'json'],
  ['application/json, text/plain, */*', 'json'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'json'],
  ['application/pdf', 'json'],
  ['no type', 'json'],
])('Accept: %s is answered with %s', async (accept, form) => {
  const desk = await openFrontDesk()
  const { headers } = await desk.get('/api/v1/doctors', { Accept: accept })
  expect(headers.get('Content-Type')).toMatch(form === 'csv' ? /^text\/csv/ : /^application\/json$/)
  expect(headers.get('Vary')).toBe('Accept')
})

test('format counts more than Accept; a form that a list has not is 400', async () => {
  const desk = await openFrontDesk()
  const json = await desk.get('/api/v1/doctors?format=json', CSV)
  expect(json.headers.get('Content-Type')).toBe('application/json')
  const csv = await desk.get('/api/v1/doctors?format=csv', { Accept: 'application/json' })
  expect(csv.headers.get('Content-Type')).toMatch(/^text\/csv/)
  for (const format of ['xml', '', 'CSV', 'html']) {
    const refused = await desk.get(`/api/v1/doctors?format=${format}`)
    expect([format, refused.status, refused.body.errors]).toEqual([
      format,
      400,
      [{ field: 'format', rule: 'choice', message: 'format must be one of json, csv' }],
    ])
  }
  expect((await desk.get('/api/v1/doctors?format=csv&format=json')).status).toBe(400)
  expect((await desk.get('/api/v1/audit?fromat=csv')).body.message).toContain('did you mean format?')
})

test('a refusal of a list is application/problem+json for a caller of CSV too', async () => {
  const desk = await openFrontDesk({ scopes: ['doctors:write', 'patients:write'] })
  const refused = await desk.get('/api/v1/doctors', CSV)
  expect([refused.status, refused.headers.get('Content-Type')]).toEqual([403, 'application/problem+json'])
  expect(refused.headers.get('Content-Disposition')).toBeNull()
})

test('what is no list takes no format: 400, and on the contract’s routes ignored as ever', async () => {
  const desk = await openFrontDesk()
  const day = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}?format=csv`)
  expect([day.status, day.body.errors[0].field]).toEqual([400, 'format'])
  const doctor = await desk.get(`/api/v1/doctors/${desk.doctorId}?format=csv`, CSV)
  expect([doctor.status, doctor.headers.get('Ignored-Fields')]).toEqual([200, 'format'])
  expect(doctor.headers.get('Content-Type')).toBe('application/json')
})
