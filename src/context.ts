import type { Db } from './lib/db'
import type { Once } from './once'
import type { ProblemCode } from './problem'

/** What every action is given. `now` is one instant for the whole request, in epoch milliseconds. */
export interface Ctx {
  env: Env
  db: Db
  now: number
  requestId: string
  clinic: ActingClinic
  actor: Actor
  once: Once
  /** Work that may be lost with the isolate; nothing that must happen goes here. */
  later(work: Promise<unknown>): void
}

export interface ActingClinic {
  id: string
  timeZone: string
  /** ISO 3166 alpha-2: how a phone number without country code is read. */
  country: string
}

interface Actor {
  keyId: string
  scopes: readonly string[]
}

/** What Hono carries along: `ctx` after `authenticate`, `problem` after a refusal or a failure. */
export interface App {
  Bindings: Env
  Variables: { ctx: Ctx; requestId: string; problem?: ProblemCode }
}
