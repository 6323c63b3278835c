import type { Db } from './lib/db'
import type { Claim, Once } from './once'
import type { ProblemCode } from './problem'

/** What every action is given. `now` is one instant for the whole request, in epoch milliseconds. */
export interface Ctx {
  readonly env: Env
  readonly db: Db
  readonly now: number
  readonly requestId: string
  readonly clinic: ActingClinic
  readonly actor: Actor
  readonly once: Once
  /** Notes for the reply which operation this request turned out to be. */
  claimed(claim: Claim): void
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

/**
 * What Hono carries along: `ctx` after `authenticate`, `claim` once the action has claimed the key, `problem`
 * after a refusal or a failure. `liftDeadline` is for routes that take as long as their caller sends.
 */
export interface App {
  Bindings: Env
  Variables: {
    ctx: Ctx
    requestId: string
    liftDeadline: () => void
    claim?: Claim
    problem?: ProblemCode
  }
}
