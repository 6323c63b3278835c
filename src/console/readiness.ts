import * as v from 'valibot'
import { onDay } from '../doctor-day/client'
import { logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { type Fault, Problem } from '../problem'
import { askLanes } from '../recorder/client'

/** A store that neither answers nor fails must not keep a monitor waiting. */
export const STORE_MS_MAX = 2 * SECOND_MS

const RETRY_AFTER_SECONDS = 5

/** No doctor's day has this name: the object of that name stores nothing. */
const NO_DAY = 'ready'

type Store = 'database' | 'recorder' | 'replies' | 'days' | 'queue'

const Answers = v.literal('ok')
export const Readiness = v.object({
  status: v.literal('ready'),
  stores: v.object({
    database: Answers,
    recorder: Answers,
    replies: Answers,
    days: Answers,
    queue: Answers,
  }),
})
type Readiness = v.InferOutput<typeof Readiness>

const QUESTIONS: Record<Store, (env: Env) => Promise<unknown>> = {
  database: async (env) => env.DB.prepare('SELECT 1').first(),
  recorder: async (env) => askLanes(env),
  replies: async (env) => env.REPLIES.get(NO_DAY),
  days: async (env) => onDay(env, NO_DAY, (day) => day.history(0, 1)),
  queue: async (env) => env.IMPORT_CHUNKS.metrics(),
}

/** Asks all stores at once, and throws a Problem with one fault for each store that does not answer. */
export async function readiness(env: Env): Promise<Readiness> {
  const stores = Object.keys(QUESTIONS) as Store[]
  const faults = await Promise.all(stores.map((store) => faultOf(env, store)))
  const found = faults.filter((fault) => fault !== null)
  if (found.length > 0)
    throw new Problem('unavailable', found.map(({ message }) => message).join('; '), {
      faults: found,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    })
  return {
    status: 'ready',
    stores: { database: 'ok', recorder: 'ok', replies: 'ok', days: 'ok', queue: 'ok' },
  }
}

async function faultOf(env: Env, store: Store): Promise<Fault | null> {
  try {
    await withTimeout(QUESTIONS[store](env), STORE_MS_MAX)
    return null
  } catch (error) {
    logFailure('not_ready', error, { store })
    return { field: store, rule: 'answers', message: `${store} did not answer` }
  }
}
