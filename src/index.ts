import { api } from './api'

export default { fetch: api.fetch } satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './hospitals/bulk-job'
