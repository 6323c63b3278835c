import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { laneOf } from '../src/recorder/client'
import { DAY, type FrontDesk, openFrontDesk as openDesk, type Reply, statuses, times } from './clinic'
import { abort } from './faults'
import { merge, unmerge } from './merging'
import { typeOf } from './moves'
import { soon } from './soon'

const PATIENTS = '/api/v1/patients'
const APPOINTMENTS = '/api/v1/appointments'
const PAST = '2040-03-10'
const GRETA = {
  name: 'Greta Garbo-Kanarie',
  phone: '+1 202 555 0171',
  email: 'greta.kanarie@example.com',
  birth_date: '1957-03-02',
  gender: 'female-kanarie',
  language: 'sv',
  notes: 'Kanarie likes the window',
  contact_ok: true,
  identifiers: [{ system: 'mrn', value: 'KANARIE-77' }],
}
const TRACES = /kanarie|2025550171|1957-03-02/i

const openFrontDesk = (more: Parameters<typeof openDesk>[0] = {}) =>
  openDesk({ scopes: ['*', 'patients:erase'], ...more })

afterEach(() => {
  vi.useRealTimers()
})

const register = async (desk: FrontDesk) => (await desk.post(PATIENTS, GRETA)).body.id as string
const erase = (desk: FrontDesk, id: string, query = '', headers = {}) =>
  desk.send('DELETE', `${PATIENTS}/${id}${query}`, undefined, headers)
const book = (desk: FrontDesk, patient_id: string, date: string, more = {}) =>
  desk.post(APPOINTMENTS, { patient_id, doctor_id: desk.doctorId, date, reason: 'Kanarie coughs', ...more })
const verdict = async (desk: FrontDesk, date: string) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/verify`)).body.ok

/** Every row of D1 that is of the clinic, or of no clinic in particular. */
async function everythingInD1(desk: FrontDesk): Promise<string> {
  const { results: tables } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'
       AND name NOT LIKE 'patients_search%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
  ).all<{ name: string }>()
  const rows = await Promise.all(tables.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`).all()))
  const ofClinic = (row: Record<string, unknown>) =>
    [undefined, desk.clinicId].includes(row.clinic_id as string)
  return JSON.stringify(rows.map(({ results }) => results.filter(ofClinic)))
}

async function everythingInKv(): Promise<string> {
  const { keys } = await env.REPLIES.list()
  return JSON.stringify(await Promise.all(keys.map(({ name }) => env.REPLIES.get(name))))
}

test('an erased patient is nowhere any more: not by id, phone, name, identifier, in lists or in D1', async () => {
  const desk = await openFrontDesk()
  const id = await register(desk)
  await desk.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify({ notes: 'Kanarie moved' }), {
    'Content-Type': 'application/json',
    'If-Match': '"1"',
    'Idempotency-Key': 'change',
  })
  const erased = await erase(desk, id)
  expect(erased.body).toMatchObject({ patient_id: id, state: 'erased', appointments_kept: 0 })
  expect(erased.body.erased.fields.sort()).toEqual(
    [
      'birth_date',
      'contact_ok',
      'email',
      'gender',
      'identifiers',
      'language',
      'name',
      'notes',
      'phone',
    ].sort(),
  )
  expect(erased.status).toBe(200)
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
  for (const search of [
    'q=Kanarie',
    'q=gr',
    'phone=2025550171',
    'identifier=KANARIE-77',
    'birth_date=1957-03-02',
  ])
    expect([search, (await desk.get(`${PATIENTS}?${search}`)).body]).toEqual([search, []])
  expect((await book(desk, id, DAY)).status).toBe(404)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
  expect(await everythingInKv()).not.toMatch(TRACES)
  const again = await desk.post(PATIENTS, GRETA)
  expect([again.status, again.body.id === id]).toEqual([201, false])
})

test('what is written of past visits is erased on each day, the visits stay, and every chain verifies', async () => {
  vi.useFakeTimers({ now: new Date(`${PAST}T12:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk({ capacity: 4 })
  const id = await register(desk)
  const ids = []
  for (const date of [PAST, '2040-03-11', '2040-03-12'])
    ids.push((await book(desk, id, date, { notes: 'Kanarie notes' })).body.id)
  await desk.post(`${APPOINTMENTS}/${ids[0]}/cancel`, { reason: 'Kanarie cancels' })
  const other = await desk.book({ date: PAST, reason: 'Stays' })
  vi.setSystemTime(new Date(`${DAY}T12:00:00Z`))
  const erased = await erase(desk, id)
  expect(erased.body).toMatchObject({ erased: { texts: 7 }, appointments_kept: 3, appointments_cancelled: 0 })
  for (const date of [PAST, '2040-03-11', '2040-03-12'])
    expect([date, await verdict(desk, date)]).toEqual([date, true])
  for (const one of ids) {
    const { body } = await desk.get(`${APPOINTMENTS}/${one}`)
    expect(body.patient_id).toBe(id)
    expect(JSON.stringify(body)).not.toMatch(TRACES)
  }
  expect((await desk.get(`${APPOINTMENTS}/${other.body.id}`)).body.reason).toBe('Stays')
})

test('what is left of the visits of an erased patient gets no text any more, and is cancelled without a reason', async () => {
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk({ capacity: 4, scopes: ['*', 'patients:erase', 'appointments:backdate'] })
  const twin = { ...GRETA, name: 'Grete Kanarie', phone: '+1 202 555 0172', identifiers: [] }
  const [id, old] = [await register(desk), (await desk.post(PATIENTS, twin)).body.id as string]
  const visits = [
    (await book(desk, id, PAST, { back_dated: true })).body.id as string,
    (await book(desk, old, PAST, { back_dated: true })).body.id as string,
  ]
  await merge(desk, old, id)
  expect((await erase(desk, id)).body).toMatchObject({ state: 'erased', erased: { texts: 2 } })
  const patch = (visit: string, key: string) =>
    desk.send('PATCH', `${APPOINTMENTS}/${visit}`, JSON.stringify({ reason: 'Kanarie again' }), {
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
    })
  for (const visit of visits) {
    for (const _ of [1, 2]) expect((await patch(visit, visit)).status).toBe(404)
    const moved = await desk.post(`${APPOINTMENTS}/${visit}/reschedule`, { date: '2040-03-20' })
    expect(moved.status).toBe(404)
    const cancelled = await desk.post(`${APPOINTMENTS}/${visit}/cancel`, { reason: 'Kanarie cancels' })
    expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled'])
    const { text, body } = await desk.get(`${APPOINTMENTS}/${visit}`)
    expect([body.status, text.match(TRACES)]).toEqual(['cancelled', null])
  }
  expect(await verdict(desk, PAST)).toBe(true)
})

test('of changes of a visit and an erasure at once no text stays', async () => {
  const desk = await openFrontDesk({ capacity: 30 })
  for (const round of times(10, (n) => n)) {
    const patient = { name: `Kanarie ${round}`, phone: `+1 202 555 02${10 + round}` }
    const id: string = (await desk.post(PATIENTS, patient)).body.id
    const visit: string = (await book(desk, id, DAY)).body.id
    const late = () =>
      desk.send('PATCH', `${APPOINTMENTS}/${visit}`, JSON.stringify({ notes: 'Kanarie notes' }), {
        'Content-Type': 'application/json',
      })
    const replies = await Promise.all([erase(desk, id, '?cancel_ahead=true'), late(), late(), late()])
    expect(replies[0]?.status).toBe(200)
    expect((await late()).status).toBe(404)
    expect((await desk.get(`${APPOINTMENTS}/${visit}`)).text).not.toMatch(TRACES)
  }
})

test('visits ahead stop the erasure and are named; the patient stays, and can be booked again at once', async () => {
  const desk = await openFrontDesk({ capacity: 4 })
  const id = await register(desk)
  const { body } = await book(desk, id, DAY)
  const refused = await erase(desk, id)
  expect([refused.status, refused.body.error]).toEqual([409, 'The patient has appointments ahead'])
  expect(refused.body.appointments).toEqual([body.id])
  expect((await desk.get(`${PATIENTS}/${id}`)).body.name).toBe(GRETA.name)
  expect((await book(desk, id, '2040-03-15')).status).toBe(201)
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.reason).toBe('Kanarie coughs')
})

test('with cancel_ahead they are cancelled, and their slots are offered to those who wait', async () => {
  const desk = await openFrontDesk({ patients: 1, capacity: 1 })
  const id = await register(desk)
  const { body } = await book(desk, id, DAY)
  const place = { doctor_id: desk.doctorId, date: DAY }
  const waiting = await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[0] })
  const erased = await erase(desk, id, '?cancel_ahead=true')
  expect(erased.body).toMatchObject({ state: 'erased', appointments_cancelled: 1, appointments_kept: 0 })
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.status).toBe('cancelled')
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${waiting.body.id}/accept`)
  expect(accepted.status).toBe(201)
  expect(await verdict(desk, DAY)).toBe(true)
})

test('a patient who has checked in today is not erased, and one who waits for a slot waits no more', async () => {
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk({ patients: 1, capacity: 1 })
  const id = await register(desk)
  const { body } = await book(desk, id, DAY)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: id })
  const refused = await erase(desk, id, '?cancel_ahead=true')
  expect([refused.status, refused.body.appointments]).toEqual([409, [body.id]])
  const waits = await desk.post(PATIENTS, { name: 'Waits', phone: '+1 202 555 0172' })
  const place = { doctor_id: desk.doctorId, date: DAY }
  await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: waits.body.id })
  expect((await erase(desk, waits.body.id)).status).toBe(200)
  expect((await desk.get(`${APPOINTMENTS}/waitlist?doctor_id=${desk.doctorId}&date=${DAY}`)).body).toEqual([])
})

test('a booking that found the patient before the erasure and arrives after it books nothing', async () => {
  const desk = await openFrontDesk({ capacity: 4 })
  const id = await register(desk)
  const other = await desk.post(PATIENTS, { name: 'Other', phone: '+1 202 555 0173' })
  await book(desk, other.body.id, DAY)
  // As the Recorder remembers a request that has found the patient and is on its way to the day.
  await desk.post(APPOINTMENTS, { patient_id: id, doctor_id: desk.doctorId, date: DAY, slot: 99 })
  expect((await erase(desk, id)).status).toBe(200)
  const late = await env.DOCTOR_DAY.getByName(dayKey(desk.clinicId, desk.doctorId, DAY)).perform(
    { id: 'late', actor: 'key', isKeyed: false },
    {
      type: 'book',
      opening: { clinicId: desk.clinicId, doctorId: desk.doctorId, date: DAY, timeZone: 'UTC', capacity: 4 },
      appointmentId: 'new',
      patientId: id,
      allowAnother: false,
    },
  )
  expect(late).toMatchObject({ ok: false, refused: 'not_found' })
})

test('of bookings and an erasure at once none leaves a visit of the erased patient ahead', async () => {
  const desk = await openFrontDesk({ capacity: 30 })
  for (const round of [1, 2, 3, 4, 5]) {
    const { body } = await desk.post(PATIENTS, { ...GRETA, identifiers: [], name: `Greta ${round}` })
    const dates = ['2040-04-01', '2040-04-02', '2040-04-03']
    const all = [
      ...dates.map((date) => book(desk, body.id, date)),
      erase(desk, body.id, '?cancel_ahead=true'),
    ]
    const answers = await Promise.all(all)
    expect(answers.at(-1)?.status).toBe(200)
    for (const date of dates) {
      const { body: list } = await desk.get(
        `${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${date}`,
      )
      expect(list.filter((one: { patient_id: string }) => one.patient_id === body.id)).toEqual([])
    }
  }
})

test('rows of files that made, meant or named the patient are blank, and those of others are not', async () => {
  const desk = await openFrontDesk()
  const csv = [
    'name,phone,email,notes,age',
    'Greta Garbo-Kanarie,2025550171,greta.kanarie@example.com,Kanarie notes,44',
    'Greta Garbo-Kanarie,+1 (202) 555-0171,greta.kanarie@example.com,,44',
    'Greta Garbo-Kanarie,2025550171,,Kanarie notes,444',
    'Nils,2025550174,nils@example.com,,50',
  ].join('\n')
  const upload = (key: string) =>
    desk.send('POST', '/api/v1/patients/bulk?mode=partial', csv, {
      'Idempotency-Key': key,
      'Content-Type': 'text/csv',
    })
  const first = await upload('one')
  const done = (job: string) =>
    expect.poll(async () => (await desk.get(`/api/v1/patients/bulk/${job}`)).body.status).toBe('completed')
  await done(first.body.job_id)
  const second = await upload('two')
  await done(second.body.job_id)
  const [patient] = (await desk.get(`${PATIENTS}?phone=2025550171`)).body
  const erased = await erase(desk, patient.id)
  expect(erased.body.erased.staged_rows).toBe(6)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
  for (const end of ['failed.csv', 'succeeded.csv', '']) {
    const { status, body } = await desk.get(`/api/v1/patients/bulk/${first.body.job_id}${end && `/${end}`}`)
    expect([end, status, JSON.stringify(body).match(TRACES)]).toEqual([end, 200, null])
  }
  expect(await everythingInD1(desk)).toContain('nils@example.com')
})

test('records of tests, events and rows of files that name the patient lose the patient and what they say', async () => {
  const desk = await openFrontDesk()
  const id = await register(desk)
  const other = await desk.post(PATIENTS, {
    name: 'Other',
    phone: '+1 202 555 0175',
    identifiers: [{ system: 'insurer', value: 'SHARED-1' }],
  })
  expect(other.status).toBe(201)
  const etag = { 'If-Match': '"1"', 'Content-Type': 'application/json' }
  const identifiers = [...GRETA.identifiers, { system: 'mrn', value: 'shared-1' }]
  const changed = await desk.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify({ identifiers }), etag)
  expect(changed.status).toBe(200)
  const birdOf = (patientId: string) => (patientId === 'SHARED-1' ? 'Heron' : 'Kanarie')
  const record = (test_id: string, patient_id: string) => ({
    ...{
      test_id,
      patient_id,
      clinic_id: desk.clinicId,
      test_type: 'blood',
      result: `${birdOf(patient_id)} ${test_id}`,
    },
  })
  const event = (appointment_id: string, patient_id: string) => ({
    ...{ event_type: 'scheduled', appointment_id, patient_id, timestamp: '2040-01-01T10:00:00Z' },
    notes: `${birdOf(patient_id)} ${appointment_id}`,
  })
  for (const [n, name] of ['KANARIE-77', 'kanarie-77', id, 'SHARED-1'].entries()) {
    const [test, key] = [record(`t${n}`, name), { 'Idempotency-Key': `test-${n}` }]
    const stored = await desk.post('/tests', test, key)
    expect([stored.status, stored.body.patient_id]).toEqual([201, name])
    expect((await desk.post('/tests', test, key)).body).toEqual(stored.body)
    expect((await desk.post('/webhook/appointments', event(`e${n}`, name))).status).toBe(200)
  }
  const rows = [record('t8', 'KANARIE-77'), record('t9', 'SHARED-1')]
  const upload = await desk.send(
    'POST',
    '/api/v1/tests/bulk',
    rows.map((row) => JSON.stringify(row)).join('\n'),
    {
      'Idempotency-Key': 'file',
      'Content-Type': 'application/x-ndjson',
    },
  )
  const job = `/api/v1/tests/bulk/${upload.body.job_id}`
  await expect.poll(async () => (await desk.get(job)).body.status).toBe('completed')
  expect((await erase(desk, id)).body.erased).toMatchObject({ tests: 4, events: 3, staged_rows: 1 })
  const { body: tests } = await desk.get(`/tests?clinic_id=${desk.clinicId}`)
  const told = tests.map(({ test_id, patient_id, result }: Record<string, string>) => [
    test_id,
    patient_id,
    result,
  ])
  expect(told).toEqual([
    ['t0', '', ''],
    ['t1', '', ''],
    ['t2', '', ''],
    ['t3', 'SHARED-1', 'Heron t3'],
    ['t8', '', ''],
    ['t9', 'SHARED-1', 'Heron t9'],
  ])
  const { events } = (await desk.get('/events')).body
  expect(events.map(({ patient_id, notes }: Record<string, string>) => [patient_id, notes]).sort()).toEqual([
    ['', null],
    ['', null],
    ['', null],
    ['SHARED-1', 'Heron e3'],
  ])
  expect(await everythingInKv()).not.toMatch(TRACES)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
})

test('a visit of which D1 had not heard at the erasure ends when its day tells D1 of it', async () => {
  const desk = await openFrontDesk()
  const id = await register(desk)
  const { body: visit } = await book(desk, id, DAY)
  const copied = () => desk.get(`${APPOINTMENTS}?from=${DAY}&to=${DAY}`)
  await soon(async () => expect((await copied()).body).toHaveLength(1))
  // As if the copy had not come, and the Recorder had forgotten which day was asked.
  await env.DB.prepare('DELETE FROM appointments WHERE id = ?').bind(visit.id).run()
  await abort(env.RECORDER.get(env.RECORDER.idFromName(laneOf(env, desk.clinicId))))
  expect((await erase(desk, id)).body).toMatchObject({ state: 'erased', appointments_cancelled: 0 })
  const read = async () => (await desk.get(`${APPOINTMENTS}/${visit.id}`)).body
  expect(await read()).toMatchObject({ status: 'booked', reason: 'Kanarie coughs' })
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/resync`)
  await soon(async () => expect(await read()).toMatchObject({ status: 'cancelled' }))
  expect(await read()).not.toHaveProperty('reason')
  expect(await verdict(desk, DAY)).toBe(true)
  await soon(async () => expect((await copied()).body).toMatchObject([{ status: 'cancelled' }]))
})

test('of twenty requests at once to erase a patient each is answered, and one is in the audit', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'patients:erase', 'admin'] })
  const id = await register(desk)
  const replies = await Promise.all(times(20, () => erase(desk, id)))
  expect(replies.filter(({ status }) => status !== 200 && status !== 202)).toEqual([])
  const { results } = await env.DB.prepare('SELECT subject FROM audit WHERE action = ? AND subject = ?')
    .bind('patient.erased', id)
    .all()
  expect(results).toHaveLength(1)
})

test('an erasure that dies after its first effect is completed by the next request', async () => {
  const desk = await openFrontDesk({ capacity: 4 })
  const id = await register(desk)
  const { body } = await book(desk, id, DAY)
  await desk.post('/tests', {
    ...{
      test_id: 't',
      patient_id: 'KANARIE-77',
      clinic_id: desk.clinicId,
      test_type: 'x',
      result: 'Kanarie',
    },
  })
  const day = vi.spyOn(env.DOCTOR_DAY, 'get').mockImplementation(() => {
    throw new Error('unreachable')
  })
  expect(
    (await erase(desk, id, '?cancel_ahead=true', { 'Idempotency-Key': 'k' })).status,
  ).toBeGreaterThanOrEqual(500)
  day.mockRestore()
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
  expect((await desk.get('/api/v1/erasures')).body).toMatchObject([{ patient_id: id, state: 'erasing' }])
  const again = await erase(desk, id, '?cancel_ahead=true', { 'Idempotency-Key': 'k' })
  expect(again.body).toMatchObject({
    state: 'erased',
    appointments_cancelled: 1,
    erased: { tests: 1, texts: 1 },
  })
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body).not.toHaveProperty('reason')
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
})

test('a late retry of the registration registers nobody, and a new registration is a new patient', async () => {
  const desk = await openFrontDesk()
  const key = { 'Idempotency-Key': 'register' }
  const id = (await desk.post(PATIENTS, GRETA, key)).body.id
  await erase(desk, id)
  expect((await desk.post(PATIENTS, GRETA, key)).status).toBe(404)
  expect((await desk.get(PATIENTS)).body.filter(({ name }: { name: string }) => name === GRETA.name)).toEqual(
    [],
  )
  const anew = await desk.post(PATIENTS, GRETA, { 'Idempotency-Key': 'again' })
  expect([anew.status, anew.body.id === id]).toEqual([201, false])
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
})

test('a retry gets the same answer, and a patient of another clinic is 404 and stays', async () => {
  const [desk, stranger] = [await openFrontDesk(), await openFrontDesk()]
  const id = await register(desk)
  expect((await erase(stranger, id)).status).toBe(404)
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(200)
  const first = await erase(desk, id, '', { 'Idempotency-Key': 'k' })
  const again = await erase(desk, id, '', { 'Idempotency-Key': 'k' })
  expect([again.status, again.body]).toEqual([200, first.body])
  expect((await erase(desk, id)).body).toEqual(first.body)
  const { body: audit } = await desk.get('/api/v1/audit')
  expect(audit.filter(({ action }: { action: string }) => action === 'patient.erased')).toHaveLength(1)
})

test('a replay erases each of several patients of one day', async () => {
  const desk = await openFrontDesk({ capacity: 4 })
  const [ids, visits]: [string[], string[]] = [[], []]
  for (const n of [1, 2, 3]) {
    const { body } = await desk.post(PATIENTS, { name: `Kanarie ${n}`, phone: `+1 202 555 018${n}` })
    ids.push(body.id)
    visits.push((await book(desk, body.id, DAY)).body.id)
  }
  const told = ids.map((patient_id) => ({ patient_id, erased_at: '2026-11-01T00:00:00.000Z' }))
  const replayed = await desk.post('/api/v1/erasures/replay', { erasures: told })
  expect(replayed.body.erasures).toEqual(told.map((one) => ({ ...one, state: 'erased' })))
  for (const id of visits) {
    const { body } = await desk.get(`${APPOINTMENTS}/${id}`)
    expect([body.status, body.reason]).toEqual(['cancelled', undefined])
  }
})

test('a replay erases no patient who has checked in today, names the visit, and erases the others', async () => {
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk({ patients: 1, capacity: 4 })
  const [id, other] = [await register(desk), desk.patientIds[0] ?? '']
  const { body } = await book(desk, id, DAY)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: id })
  const erased_at = '2026-11-01T00:00:00.000Z'
  const told = [id, other, 'unknown'].map((patient_id) => ({ patient_id, erased_at }))
  const replay = async () => (await desk.post('/api/v1/erasures/replay', { erasures: told })).body.erasures
  const done = (patient_id: string) => ({ patient_id, erased_at, state: 'erased' })
  expect(await replay()).toEqual([
    { ...told[0], state: 'refused', waits_for: 'appointments_ahead', appointments: [body.id] },
    done(other),
    done('unknown'),
  ])
  expect((await desk.get(`${PATIENTS}/${id}`)).body.name).toBe(GRETA.name)
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.reason).toBe('Kanarie coughs')
  expect((await change(desk, id)).status).toBe(200)
  await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, { room: '1' })
  await desk.post(`/api/v1/checkins/${body.id}/serve`)
  await soon(async () => expect(await replay()).toEqual(told.map(({ patient_id }) => done(patient_id))))
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
})

test('a replay refuses an erasure that is later than now, names its row, and erases nobody', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  const told = [
    { patient_id: desk.patientIds[0], erased_at: '2026-11-01T00:00:00Z' },
    { patient_id: desk.patientIds[0], erased_at: '2099-01-01T00:00:00Z' },
  ]
  const { status, body } = await desk.post('/api/v1/erasures/replay', { erasures: told })
  expect([status, body.errors]).toMatchObject([400, [{ field: 'erasures.1.erased_at', rule: 'value' }]])
  expect(body.errors).toHaveLength(1)
  expect((await desk.get(`${PATIENTS}/${desk.patientIds[0]}`)).status).toBe(200)
  expect((await desk.get('/api/v1/erasures')).body).toEqual([])
})

test('who was erased is listed, and a list is replayed on patients whom a backup has brought back', async () => {
  const desk = await openFrontDesk({ capacity: 4 })
  const id = await register(desk)
  const { body } = await book(desk, id, DAY)
  const [before] = (await env.DB.prepare('SELECT * FROM patients WHERE id = ?').bind(id).all()).results
  await erase(desk, id, '?cancel_ahead=true')
  const { body: list } = await desk.get('/api/v1/erasures')
  expect(list).toMatchObject([{ patient_id: id, state: 'erased' }])
  const columns = Object.keys(before ?? {})
  await env.DB.batch([
    env.DB.prepare('DELETE FROM erasures WHERE patient_id = ?').bind(id),
    env.DB.prepare(`INSERT INTO patients (${columns.join()}) VALUES (${columns.map(() => '?').join()})`).bind(
      ...Object.values(before ?? {}),
    ),
  ])
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(200)
  const told = list.map(({ patient_id, erased_at }: Record<string, string>) => ({ patient_id, erased_at }))
  const replayed = await desk.post('/api/v1/erasures/replay', { erasures: told })
  expect([replayed.status, replayed.body]).toEqual([200, { erasures: list }])
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.status).toBe('cancelled')
  expect((await desk.get('/api/v1/erasures?since=2100-01-01T00:00:00Z')).body).toEqual([])
})

/** The value that Greta has in another system too. */
const LAB = [{ system: 'lab', value: 'KANARIE-77' }]

/** Greta was registered twice, and `old` was merged into `kept`. */
async function openMerged() {
  const desk = await openFrontDesk({ capacity: 4 })
  const kept = await register(desk)
  const twin = { ...GRETA, name: 'Grete Kanarie', phone: '+1 202 555 0172', identifiers: LAB }
  const old: string = (await desk.post(PATIENTS, twin)).body.id
  return { desk, kept, old, mergeThem: () => merge(desk, old, kept) }
}

test('with a patient every record goes that was merged into it, and what is written of their visits', async () => {
  vi.useFakeTimers({ now: new Date(`${PAST}T12:00:00Z`), toFake: ['Date'] })
  const { desk, kept, old, mergeThem } = await openMerged()
  const visits = [await book(desk, old, PAST), await book(desk, kept, '2040-03-11')]
  await mergeThem()
  vi.setSystemTime(new Date(`${DAY}T12:00:00Z`))
  const ahead = await book(desk, old, '2040-04-02')
  const named = { patient_id: 'KANARIE-77', test_type: 'x', result: 'Kanarie' }
  await desk.post('/tests', { test_id: 't', clinic_id: desk.clinicId, ...named })
  const erased = await erase(desk, kept, '?cancel_ahead=true')
  expect([erased.status, erased.body]).toMatchObject([
    200,
    { patient_id: kept, state: 'erased', erased: { texts: 3, tests: 1 } },
  ])
  expect(erased.body).toMatchObject({ appointments_cancelled: 1, appointments_kept: 2 })
  for (const id of [kept, old]) {
    expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
    expect((await erase(desk, id)).body).toEqual({ ...erased.body, patient_id: id })
  }
  for (const { body } of [...visits, ahead])
    expect(JSON.stringify((await desk.get(`${APPOINTMENTS}/${body.id}`)).body)).not.toMatch(TRACES)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
  const { results } = await env.DB.prepare('SELECT * FROM merged_patients WHERE clinic_id = ?')
    .bind(desk.clinicId)
    .all()
  expect(results).toEqual([])
  const { body: list } = await desk.get('/api/v1/erasures')
  expect(list.map(({ patient_id }: { patient_id: string }) => patient_id).toSorted()).toEqual(
    [kept, old].toSorted(),
  )
})

test('a visit ahead of a merged record stops the erasure, and a merged record is not erased by itself', async () => {
  const { desk, kept, old, mergeThem } = await openMerged()
  const { body } = await book(desk, old, DAY)
  await mergeThem()
  const stopped = await erase(desk, kept)
  expect([stopped.status, stopped.body.appointments]).toEqual([409, [body.id]])
  const refused = await erase(desk, old, '?cancel_ahead=true')
  expect(typeOf(refused)).toEqual([409, 'patient_merged'])
  expect(refused.body.detail).toContain(kept)
  expect((await desk.get(`${PATIENTS}/${kept}`)).body.name).toBe(GRETA.name)
  expect((await unmerge(desk, old)).status).toBe(200)
  expect((await erase(desk, kept)).status).toBe(200)
  expect((await desk.get(`${PATIENTS}/${old}`)).status).toBe(200)
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.status).toBe('booked')
})

test('on a day with a visit under the old id the record in use waits no more', async () => {
  vi.useFakeTimers({ now: new Date(`${DAY}T08:00:00Z`), toFake: ['Date'] })
  const { desk, kept, old, mergeThem } = await openMerged()
  await book(desk, old, DAY)
  const place = { doctor_id: desk.doctorId, date: DAY, patient_id: kept }
  expect((await desk.post(`${APPOINTMENTS}/waitlist`, place)).status).toBe(201)
  await mergeThem()
  await erase(desk, kept, '?cancel_ahead=true')
  expect((await desk.get(`${APPOINTMENTS}/waitlist?doctor_id=${desk.doctorId}&date=${DAY}`)).body).toEqual([])
  expect(await verdict(desk, DAY)).toBe(true)
})

test('an erasure of merged records that dies is completed by a request for any of them', async () => {
  const { desk, kept, old, mergeThem } = await openMerged()
  const { body } = await book(desk, old, DAY)
  await mergeThem()
  const day = vi.spyOn(env.DOCTOR_DAY, 'get').mockImplementation(() => {
    throw new Error('unreachable')
  })
  expect((await erase(desk, kept, '?cancel_ahead=true')).status).toBeGreaterThanOrEqual(500)
  day.mockRestore()
  expect((await desk.get('/api/v1/erasures')).body).toMatchObject([
    { state: 'erasing' },
    { state: 'erasing' },
  ])
  const { body: erased } = await erase(desk, old)
  expect(erased).toMatchObject({ state: 'erased', appointments_cancelled: 1, erased: { texts: 1 } })
  expect((await desk.get('/api/v1/erasures')).body).toMatchObject([{ state: 'erased' }, { state: 'erased' }])
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.status).toBe('cancelled')
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
})

/** What each of the requests is answered that come when an erasure is marked and has not taken effect yet. */
async function whileErasing(desk: FrontDesk, work: () => Promise<unknown>, tries: () => Promise<Reply>[]) {
  const answers: Reply[] = []
  let isBetween = true
  const batch = env.DB.batch.bind(env.DB)
  const between = vi.spyOn(env.DB, 'batch').mockImplementation(async (statements) => {
    const answer = await batch(statements)
    const marks = await env.DB.prepare(
      "SELECT count(*) AS count FROM erasures WHERE clinic_id = ? AND state = 'begun'",
    )
      .bind(desk.clinicId)
      .first<number>('count')
    if (isBetween && marks) {
      isBetween = false
      for (const one of tries()) answers.push(await one)
    }
    return answer as never
  })
  await work()
  between.mockRestore()
  return answers
}

const CHANGE = JSON.stringify({
  email: 'kanarie@late.example',
  identifiers: [{ system: 'mrn', value: 'LATE-7' }],
})
const change = (desk: FrontDesk, id: string, headers = {}) =>
  desk.send('PATCH', `${PATIENTS}/${id}`, CHANGE, {
    'If-Match': '"1"',
    'Content-Type': 'application/json',
    ...headers,
  })

test('a change that arrives while the patient is being erased is 404, and nothing of it stays', async () => {
  const desk = await openFrontDesk()
  const late = { ...{ test_id: 't', patient_id: 'LATE-7', test_type: 'x' }, result: 'Late result' }
  await desk.post('/tests', { ...late, clinic_id: desk.clinicId })
  const told = (patient_id: string) => ({ patient_id, erased_at: '2026-11-01T00:00:00.000Z' })
  for (const [n, work] of [
    (id: string) => erase(desk, id),
    (id: string) => desk.post('/api/v1/erasures/replay', { erasures: [told(id)] }),
  ].entries()) {
    const id = await register(desk)
    const key = { 'Idempotency-Key': `late-${n}` }
    const answers = await whileErasing(
      desk,
      () => work(id),
      () => [change(desk, id), change(desk, id, key)],
    )
    expect(statuses(answers)).toEqual({ 404: 2 })
    expect((await change(desk, id, key)).status).toBe(404)
    expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
    expect(await everythingInD1(desk)).not.toMatch(TRACES)
    const [{ state, fields }] = (
      await env.DB.prepare('SELECT state, fields FROM erasures WHERE patient_id = ?').bind(id).all()
    ).results as [{ state: string; fields: string }]
    expect([state, fields.includes('identifiers')]).toEqual(['erased', true])
  }
  const { body } = await desk.get(`/tests?clinic_id=${desk.clinicId}`)
  expect(body).toMatchObject([{ patient_id: 'LATE-7', result: 'Late result' }])
})

test('a change is taken again once visits ahead have stopped the erasure, also with the key of a 404', async () => {
  const desk = await openFrontDesk()
  const id = await register(desk)
  await book(desk, id, DAY)
  const key = { 'Idempotency-Key': 'late' }
  const answers = await whileErasing(
    desk,
    () => erase(desk, id),
    () => [change(desk, id, key)],
  )
  expect(statuses(answers)).toEqual({ 404: 1 })
  const changed = await change(desk, id, key)
  expect([changed.status, changed.body.email]).toEqual([200, 'kanarie@late.example'])
  expect((await change(desk, id, key)).body).toEqual(changed.body)
})

test('of changes and erasures at once no data stays that a change has brought', async () => {
  const desk = await openFrontDesk()
  for (const round of times(8, (n) => n)) {
    const patient = { name: `Kanarie ${round}`, phone: `+1 202 555 02${10 + round}` }
    const id: string = (await desk.post(PATIENTS, patient)).body.id
    const value = `RACE-${round}`
    await desk.post('/tests', {
      ...{ test_id: value, patient_id: value, test_type: 'x', result: `Kanarie ${round}` },
      clinic_id: desk.clinicId,
    })
    const [changed, erased] = await Promise.all([
      desk.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify({ identifiers: [{ system: 'mrn', value }] }), {
        'If-Match': '"1"',
        'Content-Type': 'application/json',
      }),
      erase(desk, id),
    ])
    expect(erased.status).toBe(200)
    const { body: tests } = await desk.get(`/tests?clinic_id=${desk.clinicId}`)
    const record = tests.find(({ test_id }: { test_id: string }) => test_id === value)
    expect([round, record.result === '']).toEqual([round, changed.status === 200])
  }
})

test('a patient who is there again after an erasure is erased again by the same request', async () => {
  const desk = await openFrontDesk()
  const id = await register(desk)
  const { results } = await env.DB.prepare('SELECT * FROM patients WHERE id = ?').bind(id).all()
  const [row = {}] = results
  await erase(desk, id)
  const columns = Object.keys(row)
  await env.DB.prepare(`INSERT INTO patients (${columns.join()}) VALUES (${columns.map(() => '?').join()})`)
    .bind(...Object.values(row))
    .run()
  expect((await desk.get(`${PATIENTS}/${id}`)).body.name).toBe(GRETA.name)
  const again = await erase(desk, id)
  expect([again.status, again.body.state]).toEqual([200, 'erased'])
  expect((await desk.get(`${PATIENTS}/${id}`)).status).toBe(404)
  expect(await everythingInD1(desk)).not.toMatch(TRACES)
})

test('who is being erased is merged with nobody, and no merge of theirs is undone; an erased id is 404', async () => {
  const { desk, kept, old, mergeThem } = await openMerged()
  const other = (await desk.post(PATIENTS, { name: 'Other', phone: '+1 202 555 0173' })).body.id
  await book(desk, kept, DAY)
  await mergeThem()
  const asked: Record<string, number> = {}
  let isBetween = true
  const batch = env.DB.batch.bind(env.DB)
  const between = vi.spyOn(env.DB, 'batch').mockImplementation(async (statements) => {
    const answer = await batch(statements)
    const { count } = (await env.DB.prepare(
      "SELECT count(*) AS count FROM erasures WHERE clinic_id = ? AND state = 'begun'",
    )
      .bind(desk.clinicId)
      .first<{ count: number }>()) ?? { count: 0 }
    // The erasure is marked, and has not decided yet.
    if (isBetween && count === 2) {
      isBetween = false
      const tries = { from: merge(desk, kept, other), to: merge(desk, other, kept), undo: unmerge(desk, old) }
      for (const [name, reply] of Object.entries(tries)) asked[name] = (await reply).status
    }
    return answer as never
  })
  const erased = await erase(desk, kept, '?cancel_ahead=true')
  between.mockRestore()
  expect([erased.status, asked]).toEqual([200, { from: 404, to: 404, undo: 404 }])
  expect((await merge(desk, other, kept)).status).toBe(404)
  expect((await merge(desk, old, other)).status).toBe(404)
  expect((await desk.get(`${PATIENTS}/${other}`)).status).toBe(200)
})

test('of merges and erasures at once no record stays of an erased person, and no id leads nowhere', async () => {
  const desk = await openFrontDesk()
  for (const round of [1, 2, 3, 4, 5]) {
    const ids: string[] = []
    for (const n of [0, 1, 2]) {
      const phone = `+1 202 555 02${round}${n}`
      ids.push((await desk.post(PATIENTS, { name: `Kanarie ${round} ${n}`, phone })).body.id)
    }
    const [one = '', two = '', three = ''] = ids
    const [first] = await Promise.all([merge(desk, one, two), erase(desk, two), merge(desk, three, one)])
    const isGone = (id: string) => desk.get(`${PATIENTS}/${id}`).then(({ status }) => status === 404)
    expect(await isGone(two)).toBe(true)
    for (const id of [one, three]) {
      const { results } = await env.DB.prepare(
        'SELECT survivor_id AS survivor FROM merged_patients WHERE old_id = ?',
      )
        .bind(id)
        .all<{ survivor: string }>()
      for (const { survivor } of results) expect(await isGone(survivor)).toBe(false)
    }
    expect(await isGone(one)).toBe(first.status === 200)
  }
})

test('a replay erases the records that it names, and of a merged pair the other one stays by itself', async () => {
  for (const nth of [0, 1]) {
    const { desk, kept, old, mergeThem } = await openMerged()
    await mergeThem()
    const [gone, stays] = nth === 0 ? [old, kept] : [kept, old]
    const told = [{ patient_id: gone, erased_at: '2026-11-01T00:00:00.000Z' }]
    const replayed = await desk.post('/api/v1/erasures/replay', { erasures: told })
    expect(replayed.body).toEqual({ erasures: [{ ...told[0], state: 'erased' }] })
    expect((await desk.get(`${PATIENTS}/${gone}`)).status).toBe(404)
    expect((await desk.get(`${PATIENTS}/${stays}`)).body.id).toBe(stays)
    expect((await desk.get(`${PATIENTS}/${stays}/merges`)).body).toEqual([])
    expect((await erase(desk, stays)).body).toMatchObject({ patient_id: stays, state: 'erased' })
    expect(await everythingInD1(desk)).not.toMatch(TRACES)
  }
})
