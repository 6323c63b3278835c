import { randomUUID } from 'node:crypto'
import { PAGE_CLINIC } from '../seed.mjs'
import { event, isAccepted, isPage, medicalTest } from '../workloads/records.mjs'
import { flask, gunicorn, uvicorn } from './peers.mjs'

const FLASK = ['flask']
const FASTAPI = ['fastapi', 'uvicorn', 'uvloop', 'httptools']

/** What a careful operator sets: a write-ahead log, and each answer on disk before it is sent. */
const TUNED = { TUNED: '1', SYNC: 'FULL' }

const CLINICS = 200
const PATIENTS = 5_000

const tests = {
  path: '/tests?clinic_id=x',
  isRight: ({ status }) => status === 'success',
  prepare: async (site) => (number) => site.post('/tests', medicalTest(number, `c${number % CLINICS}`)),
}

const list = {
  path: '/tests?clinic_id=x',
  isSeeded: true,
  expected: 200,
  isRight: isPage,
  prepare: async (site) => () => site.get(`/tests?clinic_id=${PAGE_CLINIC}`),
}

const webhook = {
  path: '/docs',
  expected: 200,
  isRight: isAccepted,
  needs: FASTAPI,
  prepare: async (site) => (number) => site.post('/webhook/appointments', event(number)),
}

const booking = (fieldsOf) => ({
  path: '/docs',
  expected: 201,
  isRight: ({ status, slot }) => status === 'booked' && slot >= 1,
  needs: FASTAPI,
  command: uvicorn('peer_booking_fastapi', 2),
  env: { SYNC: 'FULL' },
  async prepare(site, amount) {
    const at = site.takeTurns(amount)
    return (number) => {
      const { doctor, date } = at(number)
      const body = { patient_id: `p${number % PATIENTS}`, doctor_id: `d${doctor + 1}`, date, ...fieldsOf() }
      return site.post('/api/v1/appointments', body)
    }
  },
})

/**
 * What a user would run instead, on the same machine: as its description says, and as a careful operator
 * would run it. `needs`: the Python modules without which it is skipped.
 */
export const PEERS = [
  {
    ...tests,
    name: 'peer-tests-flask',
    title: 'POST /tests: Flask as documented',
    expected: 201,
    needs: FLASK,
    command: flask,
  },
  {
    ...tests,
    name: 'peer-tests-fastapi',
    title: 'POST /tests: FastAPI as documented',
    expected: 200,
    needs: FASTAPI,
    command: uvicorn('peer_tests_fastapi', 1),
  },
  {
    ...tests,
    name: 'peer-tests-tuned',
    title: 'POST /tests: FastAPI tuned, 2 workers, FULL',
    expected: 200,
    needs: FASTAPI,
    command: uvicorn('peer_tests_fastapi', 2),
    env: TUNED,
  },
  {
    ...list,
    name: 'peer-list-flask',
    title: 'GET /tests: Flask as documented',
    needs: FLASK,
    command: flask,
  },
  {
    ...list,
    name: 'peer-list-fastapi',
    title: 'GET /tests: FastAPI as documented',
    needs: FASTAPI,
    command: uvicorn('peer_tests_fastapi', 1),
  },
  {
    ...list,
    name: 'peer-list-tuned',
    title: 'GET /tests: Flask tuned, gunicorn 2 × 4',
    needs: [...FLASK, 'gunicorn'],
    command: gunicorn('peer_tests_flask'),
    env: TUNED,
  },
  {
    ...webhook,
    name: 'peer-webhook-fastapi',
    title: 'Webhook event: FastAPI as documented',
    command: uvicorn('peer_webhook_fastapi', 1),
  },
  {
    ...webhook,
    name: 'peer-webhook-tuned',
    title: 'Webhook event: FastAPI tuned, 2 workers, FULL',
    command: uvicorn('peer_webhook_fastapi', 2),
    env: TUNED,
  },
  {
    ...booking(() => ({})),
    name: 'peer-book',
    title: 'Book, without a key: FastAPI, 2 workers, WAL, FULL',
  },
  {
    ...booking(() => ({ idempotency_key: randomUUID() })),
    name: 'peer-book-keyed',
    title: 'Book, key in the body: FastAPI, 2 workers, WAL, FULL',
  },
]
