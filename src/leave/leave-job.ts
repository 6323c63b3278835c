import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { type Worked, workOnLeave } from './work'

/** Long enough for the request that stores the leave; short enough that its crash delays the job little. */
const FIRST_WAKE_MS = 3 * SECOND_MS
const WAKE_MS_MAX = 5 * MINUTE_MS

/** A request that changes the leave calls first: so long its change may still come. */
const CHANGE_MS_MAX = MINUTE_MS

/** One alarm tells so many days; then the next one continues. */
const DATES_AT_ONCE = 20

interface Watch {
  clinicId: string
  /** When a request called last (epoch ms). */
  since: number
  /** Counts the calls: one that came during an alarm saw a later state than the alarm did. */
  calls: number
  /** Alarms in a row that could not do what they wanted. */
  failures: number
}

/**
 * Looks after one leave, whose id is its name. Its alarm tells the days; D1 holds what is done, so that the
 * object can be lost at any point and stores no fact of its own.
 */
export class LeaveJob extends DurableObject<Env> {
  async watch(clinicId: string, isReady: boolean): Promise<void> {
    const { calls = 0 } = (await this.#watch()) ?? {}
    const watch: Watch = { clinicId, since: Date.now(), calls: calls + 1, failures: 0 }
    await this.ctx.storage.put('watch', watch)
    await this.ctx.storage.setAlarm(Date.now() + (isReady ? 0 : FIRST_WAKE_MS))
  }

  /** Sets the next alarm before the work, so that a crash cannot end it. Never throws. */
  override async alarm(): Promise<void> {
    const watch = await this.#watch()
    const leaveId = this.ctx.id.name
    if (!watch || !leaveId) return
    const failures = watch.failures + 1
    await this.ctx.storage.put('watch', { ...watch, failures })
    await this.ctx.storage.setAlarm(
      Date.now() + Math.min(WAKE_MS_MAX, FIRST_WAKE_MS * 2 ** Math.min(failures, 10)),
    )
    try {
      const worked = await this.#work(watch.clinicId, leaveId)
      await this.#afterwards(worked, watch)
    } catch (error) {
      logFailure('leave_job.alarm', error, { clinic: watch.clinicId, leave: leaveId, failures })
    }
  }

  async #work(clinicId: string, leaveId: string): Promise<Worked> {
    let worked: Worked = 'next'
    for (let done = 0; worked === 'next' && done < DATES_AT_ONCE; done += 1)
      worked = await workOnLeave(this.env, clinicId, leaveId)
    return worked
  }

  async #afterwards(worked: Worked, before: Watch): Promise<void> {
    const watch = await this.#watch()
    if (worked === 'retry' || !watch || watch.calls !== before.calls) return
    const mayChange = Date.now() < watch.since + CHANGE_MS_MAX
    if ((worked === 'over' || worked === 'unknown') && !mayChange) {
      await this.ctx.storage.deleteAlarm()
      await this.ctx.storage.deleteAll()
      return
    }
    await this.ctx.storage.put('watch', { ...watch, failures: 0 })
    await this.ctx.storage.setAlarm(Date.now() + (worked === 'next' ? 0 : FIRST_WAKE_MS))
  }

  #watch(): Promise<Watch | undefined> {
    return this.ctx.storage.get<Watch>('watch')
  }
}
