import { onDay, type RemoteDay } from '../doctor-day/client'
import type { Refused } from '../doctor-day/commands'
import type { Followed, Listener } from '../doctor-day/readers/hints'
import type { Day, Recorded } from '../doctor-day/state/day'
import { emptyDay, evolve } from '../doctor-day/state/fold'
import { dayKey } from '../doctor-day/storage/address'
import { log, logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import { type UsedDay, usedDays } from './used-days'

/**
 * Reads the logs of all days of a clinic on one date, as one more reader of each: it knows how far it has
 * read of each doctor's day, so no event counts twice and none is left out.
 *
 * It learns of an event in two ways. A day that it has read sends it a hint (doctor-day/readers/hints.ts).
 * And D1's copy, which it asks once a second while somebody follows, names the days that were used and how
 * far they are: so a day that is used for the first time is found within a second of its copy, and a lost
 * hint costs as long. While D1 does not answer, the known days are asked themselves.
 */

const EVENTS_MAX = 500

/** So many days are read at once. */
const AT_ONCE = 10

/** A person waits at the screen; the next second asks again. */
const DAY_MS_MAX = 3 * SECOND_MS

/** How long a day sends hints after it was read. Its next event then waits for D1's copy, and renews it. */
const HINTED_MS = MINUTE_MS

/** A day that refuses is asked again after this. */
const REFUSED_MS = 10 * SECOND_MS

/** How often D1 is asked which days have gone on. */
export const POLL_MS = SECOND_MS

/**
 * One doctor's day as far as it was read. `log` tells its log from another one: null before the first event.
 */
export interface DayRead {
  doctorId: string
  log: string | null
  day: Day
}

interface ReaderHost {
  env: Pick<Env, 'DB' | 'DOCTOR_DAY'>
  clinicId: string
  date: string
  listener: Omit<Listener, 'until'>
  /** This event was read just now; `read.day` is the day right after it. */
  onEvent?(read: DayRead, event: Recorded): void
  /** After each call of a day that had something new, without an `await` since its first event. */
  onRead?(read: DayRead): void
  /** The log was begun anew: what was read of it counts no more. */
  onRestart?(doctorId: string): void
}

/** `failed`: the day may answer the next time. */
export type ReadProblem = 'failed' | 'refused'

export interface DaysReader {
  /** The days that were read, by doctor. */
  days: ReadonlyMap<string, DayRead>
  /** What D1 knows of the doctors whose days were used. */
  doctors: ReadonlyMap<string, UsedDay>
  /** How the last reading of a day ended, where it did not succeed. */
  problems: ReadonlyMap<string, ReadProblem>
  /** Whether D1 has named the days that were used, at least once. */
  isListed(): boolean
  /** Reads what is new. Never throws. */
  catchUp(wanted?: { isPoll?: boolean }): Promise<void>
  /** This doctor's day has new events, or may have. */
  expect(doctorId: string): void
}

export function daysReader({ env, clinicId, date, listener, ...host }: ReaderHost): DaysReader {
  const days = new Map<string, DayRead>()
  const doctors = new Map<string, UsedDay>()
  const problems = new Map<string, ReadProblem>()
  const expected = new Set<string>()
  const pausedUntil = new Map<string, number>()
  let running: Promise<void> | null = null
  let wantsPoll = false
  let isListed = false

  /** Names the days that D1 has further, or otherwise, than they were read. */
  async function poll(): Promise<void> {
    try {
      for (const used of await withTimeout(usedDays(env.DB, clinicId, date), DAY_MS_MAX)) {
        doctors.set(used.doctorId, used)
        if (used.version !== days.get(used.doctorId)?.day.version) expected.add(used.doctorId)
      }
      isListed = true
    } catch (error) {
      logFailure('days_not_listed', error, { clinic: clinicId, date })
      for (const doctorId of days.keys()) expected.add(doctorId)
    }
  }

  async function pass(): Promise<void> {
    do {
      const isPoll = wantsPoll
      wantsPoll = false
      await (isPoll ? poll() : undefined)
      const now = performance.now()
      const isPaused = (doctorId: string) => now < (pausedUntil.get(doctorId) ?? 0)
      const wanted = [...expected].filter((doctorId) => !isPaused(doctorId)).slice(0, AT_ONCE)
      // The next poll names those again that pause now.
      for (const doctorId of wanted.length > 0 ? wanted : [...expected]) expected.delete(doctorId)
      await Promise.all(wanted.map(readDay))
    } while (wantsPoll || expected.size > 0)
    running = null
  }

  async function readDay(doctorId: string): Promise<void> {
    try {
      while (await readSome(doctorId));
    } catch (error) {
      logFailure('day_not_followed', error, { clinic: clinicId, date, doctor: doctorId })
      pause(doctorId, error instanceof Problem ? 'refused' : 'failed')
    }
  }

  function pause(doctorId: string, problem: ReadProblem): void {
    problems.set(doctorId, problem)
    pausedUntil.set(doctorId, performance.now() + (problem === 'refused' ? REFUSED_MS : POLL_MS / 2))
  }

  /** Answers whether there may be more. */
  async function readSome(doctorId: string): Promise<boolean> {
    const read = days.get(doctorId) ?? { doctorId, log: null, day: emptyDay() }
    const found = await ask(doctorId, read.day.version)
    if ('refused' in found) {
      log('day_not_followed', { clinic: clinicId, date, doctor: doctorId, problem: found.refused })
      pause(doctorId, 'refused')
      return false
    }
    problems.delete(doctorId)
    if (read.log !== null && (found.log !== read.log || found.version < read.day.version)) {
      days.delete(doctorId)
      host.onRestart?.(doctorId)
      return true
    }
    if (found.log === null) return false
    days.set(doctorId, Object.assign(read, { log: found.log }))
    for (const event of found.events) {
      evolve(read.day, event)
      host.onEvent?.(read, event)
    }
    host.onRead?.(read)
    return found.events.length === EVENTS_MAX
  }

  function ask(doctorId: string, since: number): Promise<Followed | Refused> {
    const wanted = { ...listener, until: Date.now() + HINTED_MS }
    const call = (day: RemoteDay) => day.follow(since, EVENTS_MAX, wanted) as Promise<Followed | Refused>
    return withTimeout(onDay(env, dayKey(clinicId, doctorId, date), call), DAY_MS_MAX)
  }

  return {
    days,
    doctors,
    problems,
    isListed: () => isListed,
    expect(doctorId) {
      expected.add(doctorId)
    },
    /** One pass runs at a time, until nothing is left. */
    catchUp({ isPoll = false } = {}) {
      wantsPoll ||= isPoll
      running ??= pass()
      return running
    },
  }
}
