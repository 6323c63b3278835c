import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import type { Known } from '../commands'
import type { DayIdentity } from '../state/day'

/** A caller waits meanwhile. */
const QUERY_MS_MAX = 5 * SECOND_MS

/** What D1’s copy knows of a day; null where it has no row of it. */
export const readKnown = (
  database: D1Database,
  { clinicId, doctorId, date }: DayIdentity,
): Promise<Known | null> =>
  withTimeout(
    database
      .prepare('SELECT version, head FROM days WHERE clinic_id = ? AND doctor_id = ? AND date = ?')
      .bind(clinicId, doctorId, date)
      .first<Known>(),
    QUERY_MS_MAX,
  )
