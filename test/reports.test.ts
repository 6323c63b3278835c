import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { parse } from 'csv-parse/sync'
import { afterEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { inStorage, objectOf } from './busy-day'
import { DAY, type FrontDesk, keyFor, openFrontDesk, type Reply, times } from './clinic'
import { asked, planOf } from './plans'
import { soon } from './soon'

afterEach(() => vi.useRealTimers())

const WEEK = times(7, (n) => `2040-03-${12 + n}`)
const [MONDAY = '', TUESDAY = ''] = WEEK
const SUNDAY = WEEK.at(-1) ?? ''
const MINUTE = 60_000

let now = 0
function setClock(instant: string | number): void {
  now = new Date(instant).getTime()
  vi.useFakeTimers({ now, toFake: ['Date'] })
}
const pass = (minutes: number) => setClock(now + minutes * MINUTE)

const diceOf = (seed: number) => {
  const random = seeded(seed)
  return (below: number) => Math.floor(random() * below)
}

/** What the test itself knows of a visit. */
interface Visit {
  id: string
  doctorId: string
  date: string
  status: 'open' | 'kept' | 'no_show' | 'cancelled'
  isWalkIn: boolean
  arrivedAt?: number
  calledAt?: number
  waits?: boolean
}

const REPORT = '/api/v1/reports/days'
const report = (desk: Pick<FrontDesk, 'get'>, search = '') =>
  desk.get(`${REPORT}?from=${MONDAY}&to=${SUNDAY}${search}`)

/** The plain reading of docs/reports.md. */
function figuresOf(visits: Visit[]) {
  const count = (is: (visit: Visit) => boolean) => visits.filter(is).length
  const waits = visits
    .flatMap(({ arrivedAt, calledAt, waits }) =>
      arrivedAt !== undefined && calledAt !== undefined && !waits ? [calledAt - arrivedAt] : [],
    )
    .sort((one, other) => one - other)
  const rank = (percent: number) => {
    const wait = waits[Math.ceil((waits.length * percent) / 100) - 1]
    return wait === undefined ? null : Math.round((wait / MINUTE) * 10) / 10
  }
  return {
    booked: visits.length,
    kept: count(({ status }) => status === 'kept'),
    no_show: count(({ status }) => status === 'no_show'),
    cancelled: count(({ status }) => status === 'cancelled'),
    open: count(({ status }) => status === 'open'),
    walk_ins: count(({ isWalkIn }) => isWalkIn),
    waits: { count: waits.length, p50_minutes: rank(50), p90_minutes: rank(90) },
  }
}

const NAMES: Record<string, string> = {}

function rowsOf(visits: Visit[], by: 'doctor' | 'date' | 'doctor_date') {
  const keyOf = (visit: Visit) =>
    JSON.stringify([by === 'date' ? null : visit.doctorId, by === 'doctor' ? null : visit.date])
  return Object.entries(Object.groupBy(visits, keyOf))
    .map(([key, group = []]) => {
      const [doctorId, date] = JSON.parse(key) as [string | null, string | null]
      const name = doctorId === null ? null : NAMES[doctorId]
      return { doctor_id: doctorId, doctor_name: name, date, ...figuresOf(group) }
    })
    .sort((one, other) => (`${one.date} ${one.doctor_name}` < `${other.date} ${other.doctor_name}` ? -1 : 1))
}

async function openWeek() {
  setClock(`${MONDAY}T00:00:00Z`)
  const desk = await openFrontDesk({ patients: 7, capacity: 30 })
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL', capacity: 30 })
  NAMES[desk.doctorId] = 'Grace Hopper'
  NAMES[other.id] = 'Ada'
  return { desk, doctorIds: [desk.doctorId, other.id as string] }
}

/** A week through the API as its users make it: bookings, cancellations, moves, and each day at the desk. */
async function liveWeek(seed: number) {
  const roll = diceOf(seed)
  const { desk, doctorIds } = await openWeek()
  const visits: Visit[] = []
  for (const date of WEEK)
    for (const doctorId of doctorIds)
      for (const patient of times(2 + roll(5), (n) => n)) {
        const { body } = await desk.book({ date, doctorId, patient })
        visits.push({ id: body.id, doctorId, date, status: 'open', isWalkIn: false })
      }
  for (const visit of visits) {
    const what = roll(6)
    if (what === 0) {
      await desk.post(`/api/v1/appointments/${visit.id}/cancel`, { reason: null })
      visit.status = 'cancelled'
    }
    if (what === 1) {
      const [doctor_id = '', date = ''] = [doctorIds[roll(2)], WEEK[roll(7)]]
      const wanted = { doctor_id, date, allow_another: true }
      const { status } = await desk.post(`/api/v1/appointments/${visit.id}/reschedule`, wanted)
      if (status === 200) Object.assign(visit, { doctorId: doctor_id, date })
    }
  }
  // The last two days lie ahead: what is booked on them stays open.
  for (const date of WEEK.slice(0, 5)) await liveDay(desk, date, doctorIds, visits, roll)
  return { desk, doctorIds, visits }
}

async function liveDay(
  desk: FrontDesk,
  date: string,
  doctorIds: string[],
  visits: Visit[],
  roll: (below: number) => number,
) {
  setClock(`${date}T08:00:00Z`)
  const here = visits.filter((visit) => visit.date === date && visit.status === 'open')
  for (const visit of here) {
    pass(roll(4) + roll(60) / 60)
    const step = (name: string) => desk.post(`/api/v1/checkins/${visit.id}/${name}`)
    const what = roll(5)
    if (what === 0) {
      expect((await step('no-show')).status).toBe(200)
      visit.status = 'no_show'
    } else if (what > 1) {
      const { body } = await desk.get(`/api/v1/appointments/${visit.id}`)
      await desk.post('/api/v1/checkins', { appointment_id: visit.id, patient_id: body.patient_id })
      visit.arrivedAt = now
    }
  }
  for (const doctor_id of doctorIds) {
    pass(1)
    const wanted = { doctor_id, patient_id: desk.patientIds[6], allow_another: true }
    const { body, status } = await desk.post('/api/v1/checkins/walk-in', wanted)
    expect(status).toBe(201)
    const walkedIn = { doctorId: doctor_id, date, status: 'open', isWalkIn: true, arrivedAt: now } as const
    visits.push({ id: body.appointment_id, ...walkedIn })
    for (const _ of times(roll(6), (n) => n)) await callOne(desk, { doctorId: doctor_id, date }, visits, roll)
  }
}

async function callOne(
  desk: FrontDesk,
  { doctorId, date }: { doctorId: string; date: string },
  visits: Visit[],
  roll: (below: number) => number,
) {
  pass(roll(25) + roll(60) / 60)
  const next = `/api/v1/checkins/doctors/${doctorId}/queue/next`
  const { body } = await desk.post(next, { date, room: '1' })
  const visit = visits.find(({ id }) => id === body.appointment_id)
  if (!visit) return
  Object.assign(visit, { calledAt: now, waits: false })
  const step = async (name: string) =>
    expect((await desk.post(`/api/v1/checkins/${visit.id}/${name}`)).status).toBe(200)
  pass(roll(3))
  const what = roll(8)
  if (what < 4) {
    await step('serve')
    visit.status = 'kept'
  }
  if (what === 4) {
    await step('recall')
    visit.calledAt = now
  }
  if (what > 5) await step('skip')
  if (what === 6) {
    await step('requeue')
    visit.waits = true
  }
}

test.each([1, 2])(
  'a random week through the API is counted as a plain model counts it (seed %i)',
  async (seed) => {
    const { desk, doctorIds, visits } = await liveWeek(seed)
    const [doctorId = ''] = doctorIds
    await soon(async () => expect((await report(desk)).body.total).toEqual(figuresOf(visits)))
    const found = figuresOf(visits)
    for (const count of [found.kept, found.no_show, found.cancelled, found.open, found.waits.count])
      expect(count).toBeGreaterThan(3)
    for (const by of ['doctor', 'date', 'doctor_date'] as const)
      expect((await report(desk, `&by=${by}`)).body.rows).toEqual(rowsOf(visits, by))
    const ofOne = visits.filter((visit) => visit.doctorId === doctorId)
    const one = (await report(desk, `&doctor_id=${doctorId}&by=date`)).body
    expect([one.total, one.rows]).toEqual([figuresOf(ofOne), rowsOf(ofOne, 'date')])
    const tuesday = await desk.get(`${REPORT}?from=${TUESDAY}&to=${TUESDAY}`)
    expect(tuesday.body.total).toEqual(figuresOf(visits.filter(({ date }) => date === TUESDAY)))
  },
)

test('each row is booked = kept + no_show + cancelled + open, and the rows add up to the total', async () => {
  const { desk, visits } = await liveWeek(3)
  await soon(async () => expect((await report(desk)).body.total).toEqual(figuresOf(visits)))
  const { total, rows } = (await report(desk, '&by=doctor_date')).body
  for (const row of [total, ...rows])
    expect(row.kept + row.no_show + row.cancelled + row.open).toBe(row.booked)
  for (const name of ['booked', 'kept', 'no_show', 'cancelled', 'open', 'walk_ins'])
    expect(rows.reduce((sum: number, row: Record<string, number>) => sum + (row[name] ?? 0), 0)).toBe(
      total[name],
    )
})

test('a walk-in whose check-in was undone stays a walk-in, once, and is no arrival', async () => {
  const { desk } = await openWeek()
  const wanted = { doctor_id: desk.doctorId, allow_another: true }
  const ids: string[] = []
  for (const patient_id of desk.patientIds.slice(0, 4))
    ids.push((await desk.post('/api/v1/checkins/walk-in', { ...wanted, patient_id })).body.appointment_id)
  await desk.book({ date: MONDAY, patient: 5 })
  const [called, undone, again, cancelled] = ids
  for (const id of [undone, again, cancelled]) await desk.post(`/api/v1/checkins/${id}/uncheck-in`)
  // At the same instant, and later.
  for (const minutes of [0, 1]) {
    pass(minutes)
    await desk.post('/api/v1/checkins', { appointment_id: again, patient_id: desk.patientIds[2] })
    if (minutes === 0) await desk.post(`/api/v1/checkins/${again}/uncheck-in`)
  }
  await desk.post(`/api/v1/appointments/${cancelled}/cancel`)
  const next = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  expect((await desk.post(next, { date: MONDAY, room: '1' })).body.appointment_id).toBe(called)
  const waits = { count: 1, p50_minutes: 1, p90_minutes: 1 }
  await soon(async () =>
    expect((await report(desk)).body.total).toMatchObject({ booked: 5, cancelled: 1, walk_ins: 4, waits }),
  )
  const { rows } = (await report(desk, '&by=doctor_date')).body
  expect(rows).toMatchObject([{ booked: 5, walk_ins: 4, waits }])
})

test('a report without appointments is zeros, and says when the copy was read', async () => {
  const { desk } = await openWeek()
  const { body } = await report(desk)
  expect(body).toEqual({
    from: MONDAY,
    to: SUNDAY,
    by: 'doctor',
    as_of: new Date(now).toISOString(),
    total: figuresOf([]),
    rows: [],
  })
})

test('a report as CSV has its rows, one column a figure', async () => {
  const { desk } = await openWeek()
  await desk.book({ date: MONDAY })
  await soon(async () => expect((await report(desk)).body.total.booked).toBe(1))
  const { text, headers } = await report(desk, '&format=csv')
  expect(headers.get('Content-Disposition')).toBe('attachment; filename="days.csv"')
  expect(parse(text, { columns: true })).toEqual([
    {
      ...{ doctor_id: desk.doctorId, doctor_name: 'Grace Hopper', date: '' },
      ...{ booked: '1', kept: '0', no_show: '0', cancelled: '0', open: '1', walk_ins: '0' },
      ...{ 'waits.count': '0', 'waits.p50_minutes': '', 'waits.p90_minutes': '' },
    },
  ])
})

test.each([
  ['', ['from', 'to']],
  ['?from=2040-03-14&to=2040-03-13', ['from']],
  ['?from=2040-01-01&to=2041-01-01', ['to']],
  ['?from=2040-03-14&to=2040-04-31', ['to']],
  ['?from=2040-03-14&to=2040-03-14&by=week', ['by']],
  ['?from=2040-03-14&to=2040-03-14&patient_id=x', ['patient_id']],
])('a report that is asked for as %j is 400 and names %j', async (search, fields) => {
  const { desk } = await openWeek()
  const { status, body } = await desk.get(REPORT + search)
  expect([status, body.errors.map(({ field }: { field: string }) => field)]).toEqual([400, fields])
})

test('366 dates are one report', async () => {
  const { desk } = await openWeek()
  expect((await desk.get(`${REPORT}?from=2040-01-01&to=2040-12-31`)).status).toBe(200)
})

test('a report needs the right to read appointments, check-ins and doctors', async () => {
  const { desk } = await openWeek()
  const all = ['appointments:read', 'checkins:read', 'doctors:read']
  for (const missing of all) {
    const key = await keyFor(
      desk.clinicId,
      all.filter((scope) => scope !== missing),
    )
    expect([missing, (await report(key)).status]).toEqual([missing, 403])
  }
  expect((await report(await keyFor(desk.clinicId, all))).status).toBe(200)
})

test('a clinic counts nothing of another one, whose doctor it names', async () => {
  const [{ desk }, { desk: other }] = [await openWeek(), await openWeek()]
  await desk.book({ date: MONDAY })
  await soon(async () => expect((await report(desk)).body.total.booked).toBe(1))
  for (const search of ['', `&doctor_id=${desk.doctorId}`])
    expect((await report(other, search)).body).toMatchObject({ total: { booked: 0 }, rows: [] })
})

test.each(['doctor', 'date', 'doctor_date'])(
  'a report by %s finds its rows by an index and reads each once',
  async (by) => {
    const { desk } = await openWeek()
    for (const search of [`&by=${by}`, `&by=${by}&doctor_id=${desk.doctorId}`]) {
      const queries = await asked(() => report(desk, search))
      const steps = (await Promise.all(queries.map(planOf))).flat()
      expect(steps.filter((step) => /^SCAN (appointments|check_ins|doctors|a|c|d)\b/.test(step))).toEqual([])
      expect(steps.filter((step) => /appointments_by_(date|doctor)/.test(step))).toHaveLength(1)
      expect(steps.filter((step) => /check_ins_by_doctor .*date>/.test(step))).toHaveLength(1)
    }
  },
)

/** Appointments as days would have copied them: `count` of them, over 28 doctors and all dates of the year. */
const copyMany = (clinicId: string, from: number, count: number) =>
  env.DB.prepare(`
    WITH RECURSIVE numbers(n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2 + ?3 - 1)
    INSERT INTO appointments (id, clinic_id, doctor_id, patient_id, date, slot, status, created_at, updated_at,
      version)
    SELECT ?1 || n, ?1, 'doctor ' || (n % 28), 'p', date('2040-01-01', (n / 28 % 366) || ' days'), 1, 'booked',
      1, 1, 1 FROM numbers`)
    .bind(clinicId, from, count)
    .run()

test('a report of 10,000 rows or 50,000 appointments is answered, and one more is 422', async () => {
  const { desk } = await openWeek()
  const ofYear = (by: string) => desk.get(`${REPORT}?from=2040-01-01&to=2040-12-31&by=${by}`)
  const outcome = ({ status, body }: Reply) => [status, body.rows?.length ?? body.type]
  await copyMany(desk.clinicId, 0, 10_000)
  expect(outcome(await ofYear('doctor_date'))).toEqual([200, 10_000])
  await copyMany(desk.clinicId, 10_000, 1)
  expect(outcome(await ofYear('doctor_date'))).toEqual([422, '/problems/report_too_large'])
  await copyMany(desk.clinicId, 10_001, 39_999)
  const whole = await ofYear('doctor')
  expect([...outcome(whole), whole.body.total.booked]).toEqual([200, 28, 50_000])
  await copyMany(desk.clinicId, 50_000, 1)
  expect(outcome(await ofYear('doctor'))).toEqual([422, '/problems/report_too_large'])
})

test('a day that is rebuilt from the copy keeps its waits', async () => {
  const { desk } = await openWeek()
  const { body } = await desk.book({ date: DAY })
  setClock(`${DAY}T08:00:00Z`)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  pass(7)
  await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, { date: DAY, room: '1' })
  const waits = { count: 1, p50_minutes: 7, p90_minutes: 7 }
  await soon(async () => expect((await report(desk)).body.total.waits).toEqual(waits))
  await inStorage(desk, (sql) => sql.exec('DROP TABLE events'))
  await evictDurableObject(objectOf(desk))
  const admin = await keyFor(desk.clinicId, ['admin'])
  const wanted = { doctor_id: desk.doctorId, date: DAY, how: 'rebuild' }
  expect((await admin.post(`/api/v1/clinics/${desk.clinicId}/days/repair`, wanted)).status).toBe(200)
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/resync`)
  await desk.book({ date: DAY, allow_another: true })
  await soon(async () => expect((await report(desk)).body.total.booked).toBe(2))
  expect((await report(desk)).body.total.waits).toEqual(waits)
})
