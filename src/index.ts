import { api } from './api'

export default {
  fetch: (request, env, ctx) => api.fetch(request, env, ctx),
} satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './hospitals/bulk-job'
