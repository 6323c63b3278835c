import { setTimeout as sleep } from 'node:timers/promises'
import { dayName, daysOf } from '../world.mjs'
import { inTurns, read } from './facts.mjs'

const POLL_MS = 500

/** Several times the longest pause of a job's alarm, and of a day before it asks about the end of a move. */
const AT_REST_WITHIN_MS = 120_000

/** By then every offer that was made under load should have expired long ago. */
const AT_REST_AFTER_MS = 6_000

/** A leave that is paused still ends on the dates from which it was cancelled. */
const UNFINISHED_LEAVES = `SELECT id FROM leaves WHERE status IN ('running', 'cancelling')
  UNION SELECT leave_id FROM leave_days WHERE state = 'ending'`

/**
 * Waits until imports, leaves, moves and holds have ended and the copy has caught up, but not longer than
 * AT_REST_WITHIN_MS; the checks then report what is left.
 */
export async function waitForRest(world, rack) {
  const [restFrom, giveUpAt] = [Date.now() + AT_REST_AFTER_MS, Date.now() + AT_REST_WITHIN_MS]
  let days = daysOf(world)
  for (;;) {
    const [imports, leaves, copied] = await Promise.all([
      rack.select(`SELECT id FROM imports WHERE state IN ('pending', 'processing')`),
      rack.select(UNFINISHED_LEAVES),
      rack.select('SELECT doctor_id AS doctor, date, version FROM days'),
    ])
    const versions = new Map(copied.map((day) => [dayName(day), day.version]))
    const isBusy = await inTurns(days, async (day) => {
      const ledger = await read(rack, day.clinic, `/api/v1/doctors/${day.doctor}/days/${day.date}`)
      return ledger.held > 0 || ledger.version !== (versions.get(dayName(day)) ?? 0)
    })
    days = days.filter((_, n) => isBusy[n])
    const isAtRest = days.length + imports.length + leaves.length === 0 && Date.now() > restFrom
    if (isAtRest || Date.now() > giveUpAt) return
    await sleep(POLL_MS)
  }
}
