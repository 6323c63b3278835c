import { Hono } from 'hono'
import { ABOUT } from './about'
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
import { openApi } from './http/openapi'
import { requestLog } from './http/request-log'
import { live, liveByTicket } from './live/routes'
import { medicalTests } from './medical-tests/routes'
import { patients } from './patients/routes'
import { notFound } from './problem'
import { events, webhooks } from './webhooks/routes'

/** Everything above `authenticate` is open; everything below needs a key. */
const routes = new Hono<App>()
  .use(requestLog)
  .use(deadline)
  .route('/', pages(document))
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
