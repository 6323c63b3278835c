import { api } from './api'
import { HOSPITALS } from './hospitals/import'
import { consumerOf } from './imports/work/consumer'
import { PATIENTS } from './patients/import'

export default {
  fetch: (request, env, ctx) => api.fetch(request, env, ctx),
  queue: consumerOf({ hospitals: HOSPITALS, patients: PATIENTS }),
} satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './imports/work/bulk-job'
export { UpstreamGate } from './upstream/gate'
