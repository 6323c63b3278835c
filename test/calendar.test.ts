import { env } from 'cloudflare:workers'
import ICAL from 'ical.js'
import { afterEach, expect, test, vi } from 'vitest'
import { FEED_EVENTS_MAX } from '../src/calendar/actions'
import { newFeedToken } from '../src/calendar/token'
import { sha256 } from '../src/lib/crypto'
import { caller, DAY, type FrontDesk, keyFor, openFrontDesk, type Reply, times } from './clinic'
import { asked, planOf } from './plans'
import { soon } from './soon'

const NOW = '2040-03-01T12:00:00Z'
const MOVED_TO = '2040-03-15'
const stranger = caller()

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function openDesk(options: Parameters<typeof openFrontDesk>[0] = {}): Promise<FrontDesk> {
  vi.useFakeTimers({ now: new Date(NOW), toFake: ['Date'] })
  return openFrontDesk(options)
}

/** What another program reads in a calendar. */
function read({ text }: Reply) {
  const calendar = new ICAL.Component(ICAL.parse(text))
  const events = calendar.getAllSubcomponents('vevent').map((component) => {
    const event = new ICAL.Event(component)
    return {
      uid: event.uid,
      sequence: event.sequence,
      summary: event.summary,
      location: event.location,
      status: component.getFirstPropertyValue('status'),
      start: event.startDate.isDate ? event.startDate.toString() : event.startDate.toJSDate().toISOString(),
      end: event.endDate.isDate ? event.endDate.toString() : event.endDate.toJSDate().toISOString(),
      stamp: component.getFirstPropertyValue('dtstamp'),
    }
  })
  return { method: calendar.getFirstPropertyValue('method'), events }
}

/** What a feed shows of the events of an appointment’s own file. */
const withoutPlace = (reply: Reply) =>
  read(reply).events.map((event) => ({
    ...event,
    summary: event.summary?.replace(' with Grace Hopper, A clinic', ''),
    location: null,
  }))

const icsOf = (desk: Pick<FrontDesk, 'get'>, id: string) => desk.get(`/api/v1/appointments/${id}.ics`)
const feedPath = (doctorId: string) => `/api/v1/doctors/${doctorId}/feed`
const openFeed = (desk: FrontDesk, headers?: HeadersInit) =>
  desk.send('POST', feedPath(desk.doctorId), null, headers)
const closeFeed = (desk: FrontDesk, headers?: HeadersInit) =>
  desk.send('DELETE', feedPath(desk.doctorId), null, headers)
const follow = (url: string, headers?: HeadersInit) => stranger.get(url, headers)

/** All that tells one answer from another. */
const wordsOf = ({ status, body }: Reply) => ({ status, body: { ...body, request_id: '' } })

test('an appointment is an event at the instants of its slot, whatever the zone of the clinic', async () => {
  const desk = await openDesk({ timeZone: 'America/New_York' })
  const hours = { from: '09:00', to: '10:00', minutes_per_slot: 20 }
  const { body: doctor } = await desk.post('/api/v1/doctors', { name: 'A', code: 'A', working_hours: hours })
  const { body } = await desk.book({ date: DAY, doctorId: doctor.id })
  const reply = await icsOf(desk, body.id)
  expect(reply.headers.get('Content-Type')).toBe('text/calendar; charset=utf-8')
  expect(reply.headers.get('Content-Disposition')).toBe('attachment; filename="appointment.ics"')
  expect(reply.headers.get('Cache-Control')).toBe('no-store')
  expect(read(reply)).toMatchObject({
    method: 'PUBLISH',
    events: [
      {
        ...{ uid: body.id, sequence: 0, status: 'CONFIRMED' },
        ...{ summary: 'Appointment with A, A clinic', location: 'A clinic' },
        start: new Date(body.starts_at).toISOString(),
        end: new Date(body.ends_at).toISOString(),
      },
    ],
  })
  expect(read(reply).events[0]?.start).toBe(`${DAY}T13:00:00.000Z`)
})

test('a slot without times is an event of its date, which names the slot', async () => {
  const desk = await openDesk({ patients: 2 })
  await desk.book({ date: DAY })
  const { body } = await desk.book({ date: DAY, patient: 1 })
  const reply = await icsOf(desk, body.id)
  expect(reply.text).toContain(`DTSTART;VALUE=DATE:${DAY.replaceAll('-', '')}\r\n`)
  expect(read(reply).events).toMatchObject([
    { start: DAY, end: MOVED_TO, summary: 'Appointment with Grace Hopper, A clinic, slot 2' },
  ])
})

test('a cancelled appointment is sent as a cancellation with a higher sequence', async () => {
  const desk = await openDesk()
  const { body } = await desk.book({ date: DAY })
  await desk.post(`/api/v1/appointments/${body.id}/cancel`, { reason: 'a marked reason' })
  const reply = await icsOf(desk, body.id)
  expect(read(reply)).toMatchObject({
    method: 'CANCEL',
    events: [{ uid: body.id, sequence: 1, status: 'CANCELLED', start: DAY }],
  })
  expect(reply.text).not.toContain('marked')
})

test('each move and the cancellation raise the sequence, in the appointment and in the feed alike', async () => {
  const desk = await openDesk()
  const { body } = await desk.book({ date: DAY })
  const { url } = (await openFeed(desk)).body
  const sequences = [0]
  for (const date of [MOVED_TO, DAY, '2040-03-16', DAY]) {
    vi.setSystemTime(Date.now() + 60_000)
    expect((await desk.post(`/api/v1/appointments/${body.id}/reschedule`, { date })).status).toBe(200)
    const [event] = withoutPlace(await icsOf(desk, body.id))
    expect(event).toMatchObject({ uid: body.id, start: date, status: 'CONFIRMED' })
    await soon(async () => expect(read(await follow(url)).events).toEqual([event]))
    sequences.push(event?.sequence ?? 0)
  }
  await desk.post(`/api/v1/appointments/${body.id}/cancel`)
  const [event] = withoutPlace(await icsOf(desk, body.id))
  await soon(async () => expect(read(await follow(url)).events).toEqual([event]))
  sequences.push(event?.sequence ?? 0)
  expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other))
})

test('a calendar names no patient, a feed nobody at all; each ends its lines with CRLF and folds them at 75 bytes', async () => {
  const desk = await openDesk()
  const { body } = await desk.book({ date: DAY })
  const { url } = (await openFeed(desk)).body
  await soon(async () => expect(read(await follow(url)).events).toHaveLength(1))
  const reader = await keyFor(desk.clinicId, ['appointments:read'])
  const files = [await icsOf(desk, body.id), await icsOf(reader, body.id), await follow(url)]
  expect(files.map(({ text }) => [text.includes('Grace'), text.includes('LOCATION:A clinic')])).toEqual([
    [true, true],
    [false, true],
    [false, false],
  ])
  for (const { text } of files) {
    for (const secret of ['Patient', '202555', desk.patientIds[0] ?? '', desk.clinicId])
      expect(text).not.toContain(secret)
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
    for (const line of text.split('\r\n')) expect(new TextEncoder().encode(line).length).toBeLessThan(76)
  }
})

test('an appointment’s calendar needs the right to read appointments; of no appointment it is the same 404', async () => {
  const desk = await openDesk()
  const { body } = await desk.book({ date: DAY })
  expect((await icsOf(await keyFor(desk.clinicId, ['doctors:read']), body.id)).status).toBe(403)
  expect((await icsOf(stranger, body.id)).status).toBe(401)
  for (const id of [crypto.randomUUID(), 'x', `${body.id.slice(0, -1)}${body.id.endsWith('0') ? '1' : '0'}`])
    expect(wordsOf(await icsOf(desk, id))).toEqual(wordsOf(await desk.get(`/api/v1/appointments/${id}`)))
})

test('a feed has the appointments of its doctor from 30 days back to 180 ahead, cancelled ones too', async () => {
  const desk = await openDesk({ patients: 2 })
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const { url } = (await openFeed(desk)).body
  await desk.book({ date: DAY, doctorId: other.id })
  const dates = ['2040-03-01', DAY, '2040-08-28', '2040-08-29']
  const booked = await Promise.all(dates.map(async (date) => (await desk.book({ date })).body))
  await desk.post(`/api/v1/appointments/${booked[1].id}/cancel`)
  const shown = async () => {
    const { events, method } = read(await follow(url))
    return [method, ...events.map(({ uid, start, status }) => [uid, start, status])]
  }
  const expected = booked.map(({ id, date }) => [id, date, date === DAY ? 'CANCELLED' : 'CONFIRMED'])
  await soon(async () => expect(await shown()).toEqual(['PUBLISH', ...expected.slice(0, 3)]))
  vi.setSystemTime(new Date('2040-03-31T12:00:00Z'))
  expect(await shown()).toEqual(['PUBLISH', ...expected])
  vi.setSystemTime(new Date('2040-04-01T12:00:00Z'))
  expect(await shown()).toEqual(['PUBLISH', ...expected.slice(1)])
})

test('an appointment that moves to another doctor leaves the one feed and enters the other', async () => {
  const desk = await openDesk()
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const { body } = await desk.book({ date: DAY })
  const [own, its] = [(await openFeed(desk)).body.url, (await desk.send('POST', feedPath(other.id))).body.url]
  await desk.post(`/api/v1/appointments/${body.id}/reschedule`, { date: DAY, doctor_id: other.id })
  await soon(async () => {
    expect(read(await follow(its)).events).toMatchObject([{ uid: body.id, sequence: 2 }])
    expect(read(await follow(own)).events).toEqual([])
  })
})

test('a feed shows as many appointments as its limit, the earliest, and an event a date', async () => {
  const desk = await openDesk()
  const { url } = (await openFeed(desk)).body
  await env.DB.prepare(`
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n <= ?3)
    INSERT INTO appointments (id, clinic_id, doctor_id, patient_id, date, slot, status, created_at, updated_at,
      version)
    SELECT ?1 || printf('%05d', n), ?1, ?2, 'p', '${DAY}', n, 'booked', 1, 1, 1 FROM numbers`)
    .bind(desk.clinicId, desk.doctorId, FEED_EVENTS_MAX)
    .run()
  const { events } = read(await follow(url))
  expect(events).toHaveLength(FEED_EVENTS_MAX)
  expect(events.at(-1)?.summary).toBe(`Appointment, slot ${FEED_EVENTS_MAX}`)
})

test('a feed is opened, read without a key, replaced and closed; its token is stored as a hash only', async () => {
  const desk = await openDesk()
  const opened = await openFeed(desk)
  expect(opened.status).toBe(201)
  const { token, url, doctor_id } = opened.body
  expect(opened.body).toEqual({
    doctor_id: desk.doctorId,
    token,
    url,
    created_at: new Date(NOW).toISOString(),
  })
  expect([doctor_id, url]).toEqual([desk.doctorId, `${feedPath(desk.doctorId)}.ics?token=${token}`])
  const stored = await env.DB.prepare('SELECT * FROM doctor_feeds WHERE doctor_id = ?')
    .bind(doctor_id)
    .first()
  expect(stored).toMatchObject({ clinic_id: desk.clinicId, token_hash: sha256(token) })
  expect(JSON.stringify(stored)).not.toContain(token)
  expect((await follow(url)).status).toBe(200)
  const replaced = (await openFeed(desk)).body
  expect([(await follow(url)).status, (await follow(replaced.url)).status]).toEqual([401, 200])
  expect(await closeFeed(desk)).toMatchObject({ status: 200, body: { doctor_id, closed: true } })
  expect((await follow(replaced.url)).status).toBe(401)
  expect((await closeFeed(desk)).status).toBe(200)
  const { body: audit } = await desk.get('/api/v1/audit')
  const told = audit.filter(({ subject }: { subject: string }) => subject === doctor_id)
  expect(told.map(({ action }: { action: string }) => action)).toEqual([
    'doctor.feed_closed',
    'doctor.feed_opened',
    'doctor.feed_opened',
    'doctor.added',
  ])
})

test('a revoked token, one of another doctor, one of another clinic and a made-up one are the same 401', async () => {
  const [desk, other] = [await openDesk(), await openFrontDesk()]
  const { body: second } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const { token: own } = (await openFeed(desk)).body
  const { token: foreign } = (await openFeed(other)).body
  const { token: revoked } = (await desk.send('POST', feedPath(second.id))).body
  await desk.send('DELETE', feedPath(second.id))
  const at = (doctorId: string, token: string) => follow(`${feedPath(doctorId)}.ics?token=${token}`)
  expect((await at(desk.doctorId, own)).status).toBe(200)
  const refused = [
    await at(second.id, revoked),
    await at(second.id, own),
    await at(desk.doctorId, foreign),
    await at(desk.doctorId, newFeedToken(env.DOCTORDAY_SECRET, desk.doctorId)),
    await at(desk.doctorId, newFeedToken('another-secret-of-another-deployment', desk.doctorId)),
    await at(crypto.randomUUID(), own),
    await at(desk.doctorId, ''),
    await at(desk.doctorId, 'x'.repeat(64)),
    await at(desk.doctorId, own.slice(0, -1)),
    await follow(`${feedPath(desk.doctorId)}.ics`),
  ]
  const [first] = refused
  expect(first).toMatchObject({ status: 401, body: { type: '/problems/unauthenticated' } })
  for (const reply of refused) expect(wordsOf(reply)).toEqual(first && wordsOf(first))
})

test('a token that the deployment has not signed for this doctor reaches no store', async () => {
  const desk = await openDesk()
  const { token } = (await openFeed(desk)).body
  const flipped = `${token[0] === 'A' ? 'B' : 'A'}${token.slice(1)}`
  const unsigned = newFeedToken('another-secret-of-another-deployment', desk.doctorId)
  const ofOther = newFeedToken(env.DOCTORDAY_SECRET, 'another-doctor')
  const reads = [vi.spyOn(env.DB, 'prepare'), vi.spyOn(env.DB, 'batch'), vi.spyOn(env.DOCTOR_DAY, 'get')]
  for (const forged of [flipped, unsigned, ofOther, '', 'x'])
    expect((await follow(`${feedPath(desk.doctorId)}.ics?token=${forged}`)).status).toBe(401)
  for (const read of reads) expect(read).not.toHaveBeenCalled()
  expect((await follow(`${feedPath(desk.doctorId)}.ics?token=${token}`)).status).toBe(200)
  expect(reads[0]).toHaveBeenCalledTimes(1)
})

test('another clinic can neither open nor close a feed, and a key needs the scopes for it', async () => {
  const [desk, other] = [await openDesk(), await openFrontDesk()]
  const { url } = (await openFeed(desk)).body
  for (const method of ['POST', 'DELETE'])
    expect((await other.send(method, feedPath(desk.doctorId))).status).toBe(404)
  for (const scopes of [['doctors:write'], ['appointments:read']])
    expect((await (await keyFor(desk.clinicId, scopes)).send('POST', feedPath(desk.doctorId))).status).toBe(
      403,
    )
  const reader = await keyFor(desk.clinicId, ['appointments:read'])
  expect((await reader.send('DELETE', feedPath(desk.doctorId))).status).toBe(403)
  expect((await follow(url)).status).toBe(200)
})

test('a retry of an opening changes nothing: the first token stays valid, and cannot be shown again', async () => {
  const desk = await openDesk()
  const key = { 'Idempotency-Key': 'k' }
  const { url } = (await openFeed(desk, key)).body
  const again = await openFeed(desk, key)
  expect([again.status, again.body.type]).toEqual([409, '/problems/key_shown_once'])
  expect((await follow(url)).status).toBe(200)
  expect((await closeFeed(desk, key)).status).toBe(422)
  expect((await follow(url)).status).toBe(200)
})

test('a late retry of a closing closes no feed that was opened since', async () => {
  const desk = await openDesk()
  await openFeed(desk)
  const key = { 'Idempotency-Key': 'k' }
  await closeFeed(desk, key)
  const { url } = (await openFeed(desk)).body
  expect(await closeFeed(desk, key)).toMatchObject({ status: 200, body: { closed: true } })
  expect((await follow(url)).status).toBe(200)
})

test('twenty openings at once leave one feed, whose token is that of one of them', async () => {
  const desk = await openDesk()
  const opened = await Promise.all(times(20, () => openFeed(desk)))
  const read = await Promise.all(opened.map(({ body }) => follow(body.url)))
  expect(read.filter(({ status }) => status === 200)).toHaveLength(1)
})

test('an unchanged feed is 304; a changed one has another ETag', async () => {
  const desk = await openDesk()
  const { url } = (await openFeed(desk)).body
  const first = await follow(url)
  const etag = first.headers.get('ETag') ?? ''
  expect(first.headers.get('Cache-Control')).toBe('private, no-cache')
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const same = await follow(url, { 'If-None-Match': known })
    expect([known, same.status, same.text]).toEqual([known, 304, ''])
  }
  expect((await follow(url, { 'If-None-Match': '"x"' })).status).toBe(200)
  await desk.book({ date: DAY })
  await soon(async () => expect((await follow(url, { 'If-None-Match': etag })).status).toBe(200))
})

test('the token of a feed is in no log line', async () => {
  const desk = await openDesk()
  const { url, token } = (await openFeed(desk)).body
  const lines: string[] = []
  for (const level of ['log', 'info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => void lines.push(parts.join(' ')))
  await follow(url)
  await follow(`${url}x`)
  await follow(`${url}&nonsense=1`)
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  expect((await follow(url)).status).toBe(503)
  expect(lines.length).toBeGreaterThan(4)
  for (const line of lines) expect(line).not.toContain(token.slice(0, 20))
  expect(lines[0]).toContain('/api/v1/doctors/:id/feed.ics')
})

test('a feed is read by one query, which finds its rows by an index and sorts nothing', async () => {
  const desk = await openDesk()
  const { url } = (await openFeed(desk)).body
  const queries = await asked(() => follow(url))
  expect(queries).toHaveLength(1)
  const plan = await planOf(queries[0] ?? '')
  expect(plan.filter((step) => /TEMP B-TREE|^SCAN/.test(step))).toEqual([])
  expect(plan.join()).toMatch(/appointments_by_doctor .*date>/)
})
