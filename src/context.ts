import type { DayVersion } from './doctor-day/state/day'
import type { Db } from './lib/db'
import type { Claim, Once } from './once'
import type { ProblemCode } from './problem'

/** What every action receives. `now` is one instant for the whole request, in epoch milliseconds. */
export interface Ctx {
  readonly env: Env
  readonly db: Db
  readonly now: number
  readonly requestId: string
  readonly clinic: ActingClinic
  readonly actor: Actor
  readonly once: Once
  /** Stores the claim, so that the reply and its headers can name the operation. */
  recordClaim(claim: Claim): void
  /** Stores the day that has decided, so that the headers can name it. */
  recordDay(day: DayVersion): void
  /** Lets work continue after the answer. The isolate may end first, so this work must be optional. */
  later(work: Promise<unknown>): void
}

export interface ActingClinic {
  id: string
  timeZone: string
  /** ISO 3166 alpha-2. A phone number without a country code belongs to this country. */
  country: string
  settings: ClinicSettings
}

/** What a clinic has decided for itself. */
export interface ClinicSettings {
  /** A patient may have two appointments with one doctor a day, where the request does not say. */
  allowAnother?: boolean
  /** Whether boards show initials of patients; absent: as the deployment says. */
  boardInitials?: boolean
  /** How long an offer lasts for a patient who joins a waitlist; absent: as the deployment says. */
  waitlistOfferMinutes?: number
}

interface Actor {
  keyId: string
  scopes: readonly string[]
}

/**
 * Hono's variables of one request: `ctx` after `authenticate`, `claim` once the action has claimed the key,
 * `problem` after a refusal or a failure, `tellsErrorType` where older clients read it, `listForm` where the
 * caller of a list chooses its form. `liftDeadline` is for uploads, whose sender sets the pace.
 */
export interface App {
  Bindings: Env
  Variables: {
    ctx: Ctx
    requestId: string
    liftDeadline: () => void
    claim?: Claim
    day?: DayVersion
    problem?: ProblemCode
    tellsErrorType?: boolean
    listForm?: 'json' | 'csv' | 'html'
  }
}
