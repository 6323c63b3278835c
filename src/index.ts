import { api } from './api'
import { HOSPITALS } from './hospitals/bulk'
import { consumerOf } from './imports/work/consumer'
import { PATIENTS } from './patients/bulk'

export default {
  fetch: (request, env, ctx) => api.fetch(request, env, ctx),
  queue: consumerOf({ hospitals: HOSPITALS, patients: PATIENTS }),
} satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './imports/work/bulk-job'
export { UpstreamGate } from './upstream/gate'
