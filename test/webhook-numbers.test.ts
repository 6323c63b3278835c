import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { allPages, type Client, openClinic, statuses, times } from './clinic'
import { forgetReplies } from './moves'

/** `event_id` and `events[].id`: 1, 2, 3 … in each clinic. */

const PATH = '/webhook/appointments'
const event = (appointment_id: string, timestamp = '2025-01-10T12:30:00Z') => ({
  event_type: 'updated',
  appointment_id,
  patient_id: 'P1',
  timestamp,
})
const idsOf = async (clinic: Client): Promise<number[]> =>
  (await clinic.get('/events')).body.events.map(({ id }: { id: number }) => id)

test('each clinic counts its own events from 1, and the list has the same numbers', async () => {
  const [one, other] = [await openClinic(), await openClinic()]
  for (const [index, clinic] of [one, other, one, one, other].entries())
    await clinic.post(PATH, event(`A${index}`))
  expect(await idsOf(one)).toEqual([3, 2, 1])
  expect(await idsOf(other)).toEqual([2, 1])
  const { body } = await one.post(PATH, event('B'))
  expect(body.event_id).toBe(4)
})

test('a refused duplicate uses no number and changes none', async () => {
  const clinic = await openClinic()
  expect((await clinic.post(PATH, event('A'))).body.event_id).toBe(1)
  for (const timestamp of ['2025-01-10T12:30:00Z', '2025-01-10T18:00:00+05:30'])
    expect((await clinic.post(PATH, event('A', timestamp))).status).toBe(409)
  expect((await clinic.post(PATH, event('B'))).body.event_id).toBe(2)
  expect(await idsOf(clinic)).toEqual([2, 1])
})

test('sixty events at once, a third of them twice, get forty numbers without gap or repeat', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all(times(60, (n) => clinic.post(PATH, event(`A${n % 40}`))))
  expect(statuses(replies)).toEqual({ 200: 40, 409: 20 })
  const given = replies.flatMap(({ status, body }) => (status === 200 ? [body.event_id] : []))
  expect(given.toSorted((one, next) => one - next)).toEqual(times(40, (n) => n + 1))
  expect(await idsOf(clinic)).toEqual(times(40, (n) => 40 - n))
})

test('a retry gets the number of the first answer, from KV or without it', async () => {
  const clinic = await openClinic()
  const key = { 'Idempotency-Key': 'k' }
  const first = await clinic.post(PATH, event('A'), key)
  await clinic.post(PATH, event('B'))
  expect((await clinic.post(PATH, event('A'), key)).text).toBe(first.text)
  await forgetReplies()
  expect((await clinic.post(PATH, event('A'), key)).text).toBe(first.text)
  expect(first.body.event_id).toBe(1)
})

test('pages of any size lead through all events once, and a cursor of before is a clear 400', async () => {
  const clinic = await openClinic()
  for (const n of times(7, (n) => n)) await clinic.post(PATH, event(`A${n}`))
  for (const size of [1, 2, 3, 7]) {
    const pages = await allPages(clinic, `/events?limit=${size}`)
    expect(pages.flatMap(({ body }) => body.events.map(({ id }: { id: number }) => id))).toEqual(
      times(7, (n) => 7 - n),
    )
  }
  for (const old of [[12], ['12'], ['number', '3'], ['seq', 3]]) {
    const cursor = Buffer.from(JSON.stringify(old)).toString('base64url')
    const { status, body } = await clinic.get(`/events?cursor=${cursor}`)
    expect([status, body.message]).toEqual([400, expect.stringContaining('cursor')])
  }
})

test('the audit names an event by its number', async () => {
  const clinic = await openClinic()
  for (const name of ['A', 'B']) await clinic.post(PATH, event(name))
  const { body } = await clinic.get('/api/v1/audit')
  expect(body).toMatchObject([
    { action: 'webhook_event.received', subject: '2' },
    { action: 'webhook_event.received', subject: '1' },
  ])
})

test('an event that code from before the numbers stores gets a number too', async () => {
  const clinic = await openClinic()
  await clinic.post(PATH, event('A'))
  await env.DB.prepare(
    `INSERT INTO webhook_events (id, clinic_id, event_type, appointment_id, patient_id, timestamp, instant,
       received_at, request_id, op_id)
     VALUES ('x', ?, 'appointment.updated', 'B', 'P', 't', 'i', 0, 'r', 'o')`,
  )
    .bind(clinic.clinicId)
    .run()
  expect((await clinic.post(PATH, event('C'))).body.event_id).toBe(3)
  expect(await idsOf(clinic)).toEqual([3, 2, 1])
})
