import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk } from './clinic'

/** In the clinic's zone, which is two hours ahead of UTC in June. */
const ZONE = 'Europe/Berlin'
const [EVENING, MORNING] = [Date.parse('2040-06-01T21:59:30Z'), Date.parse('2040-06-01T22:00:30Z')]
const [FIRST_DAY, NEXT_DAY] = ['2040-06-01', '2040-06-02']

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const at = (now: number) => vi.useFakeTimers({ now, toFake: ['Date'] })
const key = { 'Idempotency-Key': 'over-midnight' }

/** KV may lose a reply at any time: then D1 and the day alone recognise the retry. */
const loseReplies = () =>
  vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)

const walkIn = (desk: FrontDesk, headers: HeadersInit = key) =>
  desk.post('/api/v1/checkins/walk-in', { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] }, headers)
const callNext = (desk: FrontDesk, headers: HeadersInit = key) =>
  desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, { room: '1' }, headers)
const bookedOn = async (desk: FrontDesk, date: string): Promise<number> =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}`)).body.booked

test.each(['with KV', 'without KV'])(
  'a walk-in of 23:59 whose answer was lost is the same walk-in when it is retried at 00:00, %s',
  async (kv) => {
    const desk = await openFrontDesk({ timeZone: ZONE })
    at(EVENING)
    const first = await walkIn(desk)
    if (kv === 'without KV') loseReplies()
    at(MORNING)
    const retry = await walkIn(desk)
    expect([first.status, retry.status, retry.text]).toEqual([201, 201, first.text])
    expect([await bookedOn(desk, FIRST_DAY), await bookedOn(desk, NEXT_DAY)]).toEqual([1, 0])
  },
)

/** No day is reached; what D1 is asked for still arrives. */
function loseDays() {
  const namespace = Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace
  const get = namespace.get
  return vi.spyOn(namespace, 'get').mockImplementation(function (this: DurableObjectNamespace, id) {
    if (id.name?.startsWith('lane-')) return get.call(this, id)
    throw Object.assign(new Error('Network connection lost.'), { retryable: true })
  })
}

test('a walk-in of 23:59 that never reached its day is refused at 00:00, and books on no other day', async () => {
  const desk = await openFrontDesk({ timeZone: ZONE })
  at(EVENING)
  const get = loseDays()
  expect((await walkIn(desk)).status).toBe(503)
  get.mockRestore()
  at(MORNING)
  expect((await walkIn(desk)).status).toBe(422)
  expect([await bookedOn(desk, FIRST_DAY), await bookedOn(desk, NEXT_DAY)]).toEqual([0, 0])
})

test('a call of 23:59 whose answer was lost calls no other patient at 00:00', async () => {
  const desk = await openFrontDesk({ timeZone: ZONE, patients: 2 })
  at(EVENING)
  await walkIn(desk, {})
  const first = await callNext(desk)
  at(MORNING)
  const patient_id = desk.patientIds[1]
  await desk.post('/api/v1/checkins/walk-in', { doctor_id: desk.doctorId, patient_id })
  const retry = await callNext(desk)
  expect([first.status, retry.status]).toEqual([200, 200])
  expect(retry.body).toMatchObject({ appointment_id: first.body.appointment_id, date: FIRST_DAY })
  const queue = `/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${NEXT_DAY}`
  expect((await desk.get(queue)).body).toMatchObject([{ status: 'waiting' }])
})

test('a ticket asked for at 23:59 is for that day, also when the retry at 00:00 is the first to reach it', async () => {
  const desk = await openFrontDesk({ timeZone: ZONE })
  const ask = () => desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`, {}, key)
  at(EVENING)
  const get = loseDays()
  expect((await ask()).status).toBe(503)
  get.mockRestore()
  at(MORNING)
  expect((await ask()).body).toMatchObject({ date: FIRST_DAY })
})

test('without a key each call means the day it is made on', async () => {
  const desk = await openFrontDesk({ timeZone: ZONE })
  at(EVENING)
  await walkIn(desk, {})
  at(MORNING)
  expect((await walkIn(desk, {})).status).toBe(201)
  expect([await bookedOn(desk, FIRST_DAY), await bookedOn(desk, NEXT_DAY)]).toEqual([1, 1])
})
