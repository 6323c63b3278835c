import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { DAY, openClinic, openFrontDesk, statuses, times } from './clinic'
import { rounds } from './rounds'

/** Each promise is kept this many times in a row, without one deviation. */
const ROUNDS = rounds(10, 50)

afterEach(() => vi.useRealTimers())

const inOrder = (numbers: number[]) => numbers.sort((one, other) => one - other)

describe(`what clients do at once, ${ROUNDS} rounds each`, { timeout: 300_000 }, () => {
  test('thirty clients book the last ten slots: exactly ten 201 with slots 1 to 10, twenty 409', async () => {
    const desk = await openFrontDesk({ patients: 30 })
    for (const round of times(ROUNDS, (n) => n)) {
      const date = new Date(Date.UTC(2027, 0, 1 + round)).toISOString().slice(0, 10)
      const replies = await Promise.all(times(30, (patient) => desk.book({ date, patient })))
      expect(statuses(replies)).toEqual({ 201: 10, 409: 20 })
      const slots = replies.flatMap(({ status, body }) => (status === 201 ? [body.slot] : []))
      expect(inOrder(slots)).toEqual(times(10, (n) => n + 1))
    }
  })

  test('two hundred clients book a day with three slots left: exactly three get one', async () => {
    const desk = await openFrontDesk({ capacity: 3 })
    for (const round of times(ROUNDS, (n) => n)) {
      const date = new Date(Date.UTC(2027, 0, 1 + round)).toISOString().slice(0, 10)
      const replies = await Promise.all(times(200, () => desk.book({ date, allow_another: true })))
      expect(statuses(replies)).toEqual({ 201: 3, 409: 197 })
    }
  })

  test('fifty identical POST /tests: one 201, the rest 409', async () => {
    const clinic = await openClinic()
    for (const round of times(ROUNDS, (n) => n)) {
      const wanted = {
        test_id: `t${round}`,
        patient_id: 'p',
        clinic_id: clinic.clinicId,
        test_type: 'b',
        result: 'r',
      }
      const replies = await Promise.all(times(50, () => clinic.post('/tests', wanted)))
      expect(statuses(replies)).toEqual({ 201: 1, 409: 49 })
    }
    expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body).toHaveLength(ROUNDS)
  })

  test('fifty identical patients: one row', async () => {
    const clinic = await openClinic()
    for (const round of times(ROUNDS, (n) => n)) {
      const wanted = { name: `Ada ${round}`, phone: `+1202555${1000 + round}` }
      const replies = await Promise.all(times(50, () => clinic.post('/api/v1/patients', wanted)))
      expect(statuses(replies)).toEqual({ 201: 1, 200: 49 })
      expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1)
    }
    const stored = env.DB.prepare('SELECT count(*) AS n FROM patients WHERE clinic_id = ?')
    expect(await stored.bind(clinic.clinicId).first('n')).toBe(ROUNDS)
  })

  test('fifty bookings with one key: one appointment and equal bodies; for another date the key is 422', async () => {
    const desk = await openFrontDesk({ capacity: 100 })
    for (const round of times(ROUNDS, (n) => n)) {
      const date = new Date(Date.UTC(2027, 0, 1 + round)).toISOString().slice(0, 10)
      const idempotency_key = `key-${round}`
      const replies = await Promise.all(times(50, () => desk.book({ date, idempotency_key })))
      expect(statuses(replies)).toEqual({ 201: 50 })
      expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
      const list = await desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${date}`)
      expect(list.body).toHaveLength(1)
      expect((await desk.book({ date: '2041-01-01', idempotency_key })).status).toBe(422)
    }
  })

  test('a hundred check-ins: positions 1 to 100', async () => {
    const desk = await openFrontDesk({ capacity: 100 })
    for (const round of times(ROUNDS, (n) => n)) {
      const now = new Date(Date.parse(DAY) + round * 86_400_000)
      const date = now.toISOString().slice(0, 10)
      const booked = await Promise.all(times(100, () => desk.book({ date, allow_another: true })))
      vi.useFakeTimers({ now, toFake: ['Date'] })
      const replies = await Promise.all(
        booked.map(({ body }) =>
          desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id }),
        ),
      )
      expect(statuses(replies)).toEqual({ 201: 100 })
      expect(inOrder(replies.map(({ body }) => body.queue_position))).toEqual(times(100, (n) => n + 1))
    }
  })
})
