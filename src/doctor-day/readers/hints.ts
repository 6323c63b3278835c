import type { Day, DayIdentity, Recorded } from '../state/day'
import * as log from '../storage/log'

/**
 * How an object that follows the days of a clinic learns of a new event at once. It reads a day with
 * `follow`, which registers it, in memory and for a short time; then each commit sends it a hint. The day
 * waits for no hint, and a hint may be lost: the follower asks D1 every second which days have gone on. A day
 * that nobody follows this way sends nothing, stores nothing and asks nobody.
 */
export interface Listener {
  binding: 'CLINIC_DAY' | 'DASHBOARD'
  name: string
  until: number
}

/** `log`: the hash of the first event, which tells one log from another; null on an unused day. */
export interface Followed {
  log: string | null
  version: number
  events: Recorded[]
}

/** What a listener's object is called with. */
export type Hint = (doctorId: string, date: string) => Promise<void>

export type HintEnv = Pick<Env, Listener['binding']>

/** A listener is told once more if something happens while it is being told: never two hints at a time. */
interface Listening extends Listener {
  isTold: boolean
  isBehind: boolean
}

interface HintHost {
  ctx: DurableObjectState
  env: HintEnv
  day(): Day
  events(after: number): Iterable<Recorded>
}

export interface Hints {
  /** At most `max` events after `since`, and hints of later ones. */
  follow(since: number, max: number, listener: Listener): Followed
  /** Call it after each commit. */
  tell(): void
}

export function hints({ ctx, env, day, events }: HintHost): Hints {
  // A day belongs to one clinic and one date, so each binding has one listener.
  const listening = new Map<Listener['binding'], Listening>()
  let toldVersion = 0

  async function send(listener: Listening, { doctorId, date }: DayIdentity): Promise<void> {
    const objects: DurableObjectNamespace = env[listener.binding]
    listener.isTold = true
    do {
      listener.isBehind = false
      const object = objects.get(objects.idFromName(listener.name)) as unknown as { hint: Hint }
      // What fails is only a hint.
      await object.hint(doctorId, date).catch(() => undefined)
    } while (listener.isBehind)
    listener.isTold = false
  }

  return {
    follow(since, max, listener) {
      const known = listening.get(listener.binding)
      if (known) Object.assign(known, listener)
      else listening.set(listener.binding, { ...listener, isTold: false, isBehind: false })
      const { version } = day()
      if (version === 0) return { log: null, version, events: [] }
      const read: Recorded[] = []
      for (const event of events(since)) {
        if (read.length === max) break
        read.push(event)
      }
      return { log: log.hashAt(ctx.storage.sql, 1) ?? null, version, events: read }
    },
    tell() {
      const { identity, version } = day()
      if (listening.size === 0 || version === toldVersion || !identity) return
      toldVersion = version
      for (const [binding, listener] of listening) {
        if (listener.until <= Date.now()) listening.delete(binding)
        else if (listener.isTold) listener.isBehind = true
        else ctx.waitUntil(send(listener, identity))
      }
    },
  }
}
