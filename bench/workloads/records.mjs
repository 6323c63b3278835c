import { randomUUID } from 'node:crypto'
import { PAGE_ROWS } from '../seed.mjs'
import { newKey } from '../site.mjs'
import { noKey } from './desk.mjs'

export const medicalTest = (n, clinicId) => ({
  test_id: randomUUID(),
  patient_id: `P-${n}`,
  clinic_id: clinicId,
  test_type: 'haemoglobin',
  result: '13.9 g/dL',
})

export const event = (n) => ({
  event_type: 'appointment.updated',
  appointment_id: randomUUID(),
  patient_id: `P-${n}`,
  timestamp: '2026-01-11T09:00:00Z',
})

const posting = (path, bodyOf, idempotencyKey) => async (site) => (number) => {
  const { id, post } = site.clinic(number)
  return post(path, bodyOf(number, id), idempotencyKey())
}

export const isStored = ({ status, test_id }) => status === 'success' && test_id.length > 0
export const isAccepted = ({ status }) => status === 'accepted'

/** The seeded page of any clinic, complete and in order. */
export const isPage = (rows) =>
  rows.length === PAGE_ROWS &&
  rows.every(
    ({ clinic_id, test_id, patient_id }, n) =>
      clinic_id === rows[0].clinic_id &&
      test_id === `${clinic_id}-${String(n).padStart(7, '0')}` &&
      patient_id === `P-${n}`,
  )

/** What other systems send and read; workloads.mjs says what the fields mean. */
export const RECORDS = [
  {
    name: 'post-test',
    title: 'POST /tests',
    expected: 201,
    isRight: isStored,
    isForMany: true,
    prepare: posting('/tests', medicalTest, noKey),
  },
  {
    name: 'post-test-keyed',
    title: 'POST /tests, with a key',
    expected: 201,
    isRight: isStored,
    prepare: posting('/tests', medicalTest, newKey),
  },
  {
    name: 'list-tests',
    title: `GET /tests, ${PAGE_ROWS} rows`,
    expected: 200,
    isRight: isPage,
    isForMany: true,
    prepare: listingTests,
  },
  {
    name: 'webhook',
    title: 'Webhook event',
    expected: 200,
    isRight: isAccepted,
    isForMany: true,
    prepare: posting('/webhook/appointments', event, noKey),
  },
  {
    name: 'webhook-keyed',
    title: 'Webhook event, with a key',
    expected: 200,
    isRight: isAccepted,
    isBillOnly: true,
    prepare: posting('/webhook/appointments', event, newKey),
  },
]

/** The one clinic reads the page of another one, whose rows are exactly those of the page. */
async function listingTests(site) {
  return (number) => {
    const { id, get } = site.clinic(number)
    return get(`/tests?clinic_id=${site.pageClinic ?? id}&limit=${PAGE_ROWS}`)
  }
}
