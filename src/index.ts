import { api } from './api'
import { COPIES } from './doctor-day/readers/copied-rows'
import { FIND, FIND_NEW_DAY, FIND_QUEUE } from './doctors/finding'
import { HOSPITALS } from './hospitals/import'
import { consumerOf } from './imports/work/consumer'
import { MEDICAL_TEST } from './medical-tests/actions'
import { MEDICAL_TESTS } from './medical-tests/import'
import { FIND_PERSON } from './merges/finding'
import { PATIENTS } from './patients/import'
import { CLAIM } from './recorder/kind'
import { recorderOf } from './recorder/recorder'
import { WEBHOOK_EVENT } from './webhooks/actions'

export default {
  fetch: (request, env, ctx) => api.fetch(request, env, ctx),
  queue: consumerOf({ hospitals: HOSPITALS, patients: PATIENTS, tests: MEDICAL_TESTS }),
} satisfies ExportedHandler<Env>
export { ClinicDay } from './clinic-day/clinic-day'
export { Dashboard } from './dashboard/dashboard'
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './imports/work/bulk-job'
export { LeaveJob } from './leave/leave-job'
export { UpstreamGate } from './upstream/gate'

/** Every kind of work that reaches D1 in lots. */
export class Recorder extends recorderOf(
  CLAIM,
  ...COPIES,
  FIND,
  FIND_NEW_DAY,
  FIND_PERSON,
  FIND_QUEUE,
  MEDICAL_TEST,
  WEBHOOK_EVENT,
) {}
