import { Hono } from 'hono'
import { authenticate } from './access/authenticate'
import { clinics, keys } from './access/routes'
import { appointments } from './appointments/routes'
import { audit } from './audit/routes'
import { checkins } from './checkins/routes'
import { pages } from './console/routes'
import type { App } from './context'
import { days } from './days/routes'
import { doctors } from './doctors/routes'
import { hospitals } from './hospitals/routes'
import { failure } from './http/failure'
import { deadline } from './http/limits'
import { type About, openApi } from './http/openapi'
import { requestLog } from './http/request-log'
import { live, liveByTicket } from './live/routes'
import { medicalTests } from './medical-tests/routes'
import { patients } from './patients/routes'
import { notFound } from './problem'
import { events, webhooks } from './webhooks/routes'

const ABOUT: About = {
  title: 'Doctorday',
  version: '0.1.0',
  description: 'The clinic API at the edge: records, appointments, check-in, webhooks and hospital imports.',
  tags: [
    { name: 'Medical tests', paths: /^\/tests/, description: 'Records of medical tests, by clinic.' },
    { name: 'Webhook events', paths: /^\/(webhook|events)/, description: 'What other systems tell us.' },
    { name: 'Hospitals', paths: /\/hospitals/, description: 'The hospital directory and its bulk imports.' },
    { name: 'Patients', paths: /\/patients/, description: 'Who is treated.' },
    { name: 'Days', paths: /\/days\//, description: 'What happened on a doctor’s day, event by event.' },
    { name: 'Doctors', paths: /^\/api\/v1\/doctors/, description: 'Who treats, and on which days.' },
    {
      name: 'Appointments',
      paths: /\/appointments/,
      description: 'Booked visits, each with a slot of a day.',
    },
    { name: 'Check-ins', paths: /\/checkins/, description: 'Who has arrived, in which order.' },
    { name: 'Access', paths: /\/(clinics|keys|audit)/, description: 'Clinics, API keys and the audit.' },
    { name: 'Service', paths: /./, description: 'The service itself.' },
  ],
}

/** Everything above `authenticate` is open; everything below needs a key. */
const routes = new Hono<App>()
  .use(requestLog)
  .use(deadline)
  .route('/', pages(ABOUT, document))
  .route('/api/v1/checkins/doctors/:doctor_id/queue', liveByTicket)
  .use(authenticate)
  .route('/tests', medicalTests)
  .route('/webhook', webhooks)
  .route('/events', events)
  .route('/api/v1/clinics', clinics)
  .route('/api/v1/keys', keys)
  .route('/api/v1/audit', audit)
  .route('/api/v1/patients', patients)
  .route('/api/v1/doctors', doctors)
  .route('/api/v1/doctors/:doctor_id/days', days)
  .route('/api/v1/appointments', appointments)
  .route('/api/v1/checkins', checkins)
  .route('/api/v1/checkins/doctors/:doctor_id/queue', live)
  .route('/api/v1/hospitals', hospitals)

export type Api = typeof routes

export const api = routes
  .notFound(() => {
    throw notFound('Route')
  })
  .onError(failure)

let published: Promise<object> | undefined

/** Put together once per isolate: it depends on nothing but the code. */
function document(): Promise<object> {
  published ??= openApi(routes as unknown as Hono<App>, ABOUT)
  return published
}
