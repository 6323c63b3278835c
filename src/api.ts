import { Hono } from 'hono'
import type { H } from 'hono/types'
import { authenticate } from './access/authenticate'
import { clinics, keys } from './access/routes'
import { appointments } from './appointments/routes'
import { audit } from './audit/routes'
import { feedByToken, feeds, visitCalendars } from './calendar/routes'
import { checkins } from './checkins/routes'
import { clinicLive, clinicLiveByTicket } from './clinic-day/routes'
import { closings } from './closings/routes'
import { pages, ready } from './console/routes'
import type { App } from './context'
import { dashboard, dashboardByTicket } from './dashboard/routes'
import { allDays, clinicDays, days } from './days/routes'
import { doctors } from './doctors/routes'
import { erasing, erasureList } from './erasures/routes'
import { hospitals } from './hospitals/routes'
import { crossOrigin } from './http/cors'
import { isDocumentation } from './http/endpoint'
import { failure } from './http/failure'
import { deadline, plainBody } from './http/limits'
import { knownRoute } from './http/methods'
import { type About, openApi } from './http/openapi'
import { requestLog } from './http/request-log'
import { closestRouter } from './http/router'
import { requireSecret } from './http/secret'
import { soundHost, soundPath } from './http/url'
import { leave } from './leave/routes'
import { live, liveByTicket } from './live/routes'
import { medicalTestImports, medicalTests } from './medical-tests/routes'
import { merges } from './merges/routes'
import { patients } from './patients/routes'
import { notFound } from './problem'
import { dayLists, reports } from './reports/routes'
import { doctorSlots, freeSlots } from './slots/routes'
import { people, signIns } from './staff/routes'
import { services } from './visit-kinds/routes'
import { events, webhooks } from './webhooks/routes'

const ABOUT: About = {
  title: 'Doctorday',
  version: '0.1.0',
  description: 'A clinic API at the edge: records, appointments, check-in, webhooks and bulk imports.',
  tags: [
    {
      name: 'Medical tests',
      paths: /^(\/api\/v1)?\/tests/,
      description: 'Records of medical tests, by clinic, and their bulk imports.',
    },
    { name: 'Webhook events', paths: /^\/(webhook|events)/, description: 'Events that other systems send.' },
    { name: 'Hospitals', paths: /\/hospitals/, description: 'The hospital directory and its bulk imports.' },
    { name: 'Patients', paths: /\/(patients|erasures)/, description: 'The patients of the clinic.' },
    {
      name: 'Days',
      paths: /\/days(\/|$)|\/ws\//,
      description: 'The state and the event log of a doctor’s day, and all days of the clinic at once.',
    },
    { name: 'Doctors', paths: /^\/api\/v1\/doctors/, description: 'Doctors and their availability.' },
    {
      name: 'Appointments',
      paths: /\/appointments/,
      description: 'Booked visits, each with a slot of a day.',
    },
    {
      name: 'Slots and services',
      paths: /^\/api\/v1\/(slots|services)|\/slots$/,
      description: 'What a visit can be for, and when.',
    },
    { name: 'Reports', paths: /\/reports/, description: 'Figures of many days.' },
    { name: 'Check-ins', paths: /\/checkins/, description: 'Patients who have arrived, and the queue.' },
    {
      name: 'Access',
      paths: /\/(clinics|closings|staff|sign-in|keys|audit)/,
      description: 'Clinics, their staff, API keys and the audit log.',
    },
    { name: 'Service', paths: /./, description: 'The service itself.' },
  ],
}

const open = pages(ABOUT, openApiDocument)
const router = closestRouter<H>(isDocumentation)

/** The routes above `authenticate` need no API key; the routes below it do. */
const routes = new Hono<App>({ router })
  .use(requestLog)
  .use(crossOrigin)
  .use(deadline)
  .use(soundHost)
  .use(requireSecret)
  .use(knownRoute(router, () => open.router))
  .route('/', open)
  .route('/api/v1/checkins/doctors/:doctor_id/queue', liveByTicket)
  .route('/api/v1/doctors', feedByToken)
  .route('/api/v1/sign-in', signIns)
  .route('/api/v1/days', clinicLiveByTicket)
  .route('/api/v1/ws', dashboardByTicket)
  .use(authenticate)
  .use(soundPath)
  .route('/ready', ready)
  .use(plainBody)
  .route('/tests', medicalTests)
  .route('/tests', medicalTestImports)
  .route('/api/v1/tests', medicalTestImports)
  .route('/webhook', webhooks)
  .route('/events', events)
  .route('/api/v1/clinics', clinics)
  .route('/api/v1/clinics', clinicDays)
  .route('/api/v1/closings', closings)
  .route('/api/v1/staff', people)
  .route('/api/v1/keys', keys)
  .route('/api/v1/audit', audit)
  .route('/api/v1/patients', patients)
  .route('/api/v1/patients', erasing)
  .route('/api/v1/erasures', erasureList)
  .route('/api/v1/patients', merges)
  .route('/api/v1/doctors', doctors)
  .route('/api/v1/doctors', leave)
  .route('/api/v1/doctors', doctorSlots)
  .route('/api/v1/slots', freeSlots)
  .route('/api/v1/services', services)
  .route('/api/v1/doctors', feeds)
  .route('/api/v1/doctors/:doctor_id/days', days)
  .route('/api/v1/doctors/:doctor_id/days', dayLists)
  .route('/api/v1/days', allDays)
  .route('/api/v1/days', clinicLive)
  .route('/api/v1/ws', dashboard)
  .route('/api/v1/appointments', appointments)
  .route('/api/v1/appointments', visitCalendars)
  .route('/api/v1/checkins', checkins)
  .route('/api/v1/checkins/doctors/:doctor_id/queue', live)
  .route('/api/v1/hospitals', hospitals)
  .route('/api/v1/reports', reports)

export type Api = typeof routes

export const api = routes
  .notFound(() => {
    throw notFound('Route')
  })
  .onError(failure)

let builtDocument: Promise<object> | undefined

/** Built once per isolate, because the document depends only on the code. */
function openApiDocument(): Promise<object> {
  builtDocument ??= openApi(routes as unknown as Hono<App>, ABOUT)
  return builtDocument
}
