import { api } from './api'
import { importChunksOf } from './hospitals/import'

export default {
  fetch: (request, env, ctx) => api.fetch(request, env, ctx),
  queue: importChunksOf,
} satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './hospitals/bulk-job'
