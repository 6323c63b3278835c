import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, expectTypeOf, test } from 'vitest'
import { client } from '../src/client'
import worker from '../src/index'
import { openFrontDesk } from './clinic'

const overTheWire = (input: RequestInfo | URL, init?: RequestInit) =>
  worker.fetch(
    new Request<unknown, IncomingRequestCfProperties>(input as string, init as never),
    env,
    createExecutionContext(),
  ) as Promise<Response>

test('the typed client books and reads back, with the types of the schemas', async () => {
  const desk = await openFrontDesk()
  const api = client('https://clinic.test', desk.key, overTheWire as typeof fetch).api.v1
  const booked = await api.appointments.$post({
    json: { patient_id: desk.patientIds[0] ?? '', doctor_id: desk.doctorId, date: '2040-03-14' },
  })
  const appointment = await booked.json()
  expectTypeOf(appointment.slot).toEqualTypeOf<number>()
  expectTypeOf(appointment.status).toEqualTypeOf<
    'booked' | 'checked_in' | 'completed' | 'cancelled' | 'no_show'
  >()
  expect(appointment).toMatchObject({ slot: 1, status: 'booked' })
  const read = await api.appointments[':id'].$get({ param: { id: appointment.id } })
  expect(await read.json()).toEqual(appointment)
  const doctors = await (await api.doctors.$get({ query: { date: '2040-03-14' } })).json()
  expect(doctors).toMatchObject([{ id: desk.doctorId, is_available: true }])
})

test('what the API does not take, the client does not compile', () => {
  const api = client('https://clinic.test', 'key').api.v1
  // @ts-expect-error a booking needs a patient
  const incomplete = () => api.appointments.$post({ json: { doctor_id: 'd', date: '2040-03-14' } })
  // @ts-expect-error there is no such route
  const unknown = () => api.nonsense.$get()
  expect([incomplete, unknown]).toHaveLength(2)
})
