import { setTimeout as sleep } from 'node:timers/promises'
import { dayName } from '../world.mjs'
import { inTurns, read } from './facts.mjs'

const POLL_MS = 500

/**
 * Several times the longest pause of a job's alarm, and than a day waits before it asks what became of a
 * move.
 */
const AT_REST_WITHIN_MS = 120_000

/** By then every offer that was made under load has lapsed long ago, or never will. */
const AT_REST_AFTER_MS = 6_000

/**
 * Waits until jobs are over, moves and holds have ended and the copy has caught up; or until all that had its
 * time, and the checks tell what is left.
 */
export async function comeToRest(world, rack) {
  const [lookFrom, giveUpAt] = [Date.now() + AT_REST_AFTER_MS, Date.now() + AT_REST_WITHIN_MS]
  let days = world.clinics.flatMap((clinic) =>
    clinic.doctors.flatMap((doctor) => clinic.dates.map((date) => ({ clinic, doctor, date }))),
  )
  for (;;) {
    const [jobs, copied] = await Promise.all([
      rack.select(`SELECT id FROM imports WHERE state IN ('pending', 'processing')`),
      rack.select('SELECT doctor_id AS doctor, date, version FROM days'),
    ])
    const versions = new Map(copied.map((day) => [dayName(day), day.version]))
    const restless = await inTurns(days, async (day) => {
      const ledger = await read(rack, day.clinic, `/api/v1/doctors/${day.doctor}/days/${day.date}`)
      return ledger.held > 0 || ledger.version !== (versions.get(dayName(day)) ?? 0)
    })
    days = days.filter((_, n) => restless[n])
    const isAtRest = days.length + jobs.length === 0 && Date.now() > lookFrom
    if (isAtRest || Date.now() > giveUpAt) return
    await sleep(POLL_MS)
  }
}
