import { api } from './api'
import { importChunksOf } from './hospitals/import'

export default { fetch: api.fetch, queue: importChunksOf } satisfies ExportedHandler<Env>
export { DoctorDay } from './doctor-day/doctor-day'
export { BulkJob } from './hospitals/bulk-job'
