import { newId } from '../lib/crypto'
import { logFailure } from '../lib/log'
import { onObject, withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { keyReused, Problem } from '../problem'
import type { Asked } from './asked-days'
import type { Claimed } from './claims'
import { CLAIM, type Entry, entryOf, type Kind, type Sender } from './kind'
import type { Failed, Outcome } from './lot'

/** How all other code reaches the Recorder. */

const LANES_DEFAULT = 4

/** D1 runs one batch at a time: more lanes only make smaller lots. */
const LANES_MAX = 16

/**
 * Sends an entry of a request, with its key. An earlier version of the service may have claimed the key for
 * an equal request, with one of the `earlier` fingerprints. Throws where another request has the key.
 */
export async function recordAs<Fields extends readonly unknown[], Result>(
  env: RecorderEnv,
  kind: Kind<Fields, Result>,
  sender: Sender,
  fields: Fields,
  earlier: () => string[],
): Promise<Recorded<Result>> {
  const recorded = await record(env, kind, entryOf(kind, sender, fields))
  const { fingerprint = sender.fingerprint } = recorded.claimed ?? {}
  if (fingerprint === sender.fingerprint) return recorded
  if (!earlier().includes(fingerprint)) throw keyReused()
  return recordAs(env, kind, { ...sender, fingerprint }, fields, () => [])
}

/** What became of the entry. Throws a Problem where it cannot be told. */
export async function record<Fields extends readonly unknown[], Result>(
  env: RecorderEnv,
  _kind: Kind<Fields, Result>,
  entry: Entry,
): Promise<Recorded<Result>> {
  const outcome = await ask(env, entry)
  if (!('failed' in outcome)) return outcome as Recorded<Result>
  if (outcome.failed === 'rejected') throw new Error('D1 has rejected the entry')
  throw new Problem('unavailable', SENTENCES[outcome.failed])
}

export type RecorderEnv = Pick<Env, 'RECORDER' | 'RECORDER_LANES'>

interface Recorded<Result> {
  claimed: Claimed | null
  result: Result
}

const SENTENCES: Record<Exclude<Failed, 'rejected'>, string> = {
  busy: 'Too many requests are waiting; retry with the same Idempotency-Key',
  outage: 'Retry with the same Idempotency-Key; it takes effect only once',
}

/**
 * The days that were lately asked to book this patient, and the moves of the clinic. The lane knows them in
 * memory: it may have forgotten, and where it cannot be asked, none are named.
 */
export async function askedOf(env: RecorderEnv, clinicId: string, patientId: string): Promise<Asked> {
  const lane = env.RECORDER.get(env.RECORDER.idFromName(laneOf(env, clinicId)))
  try {
    return await withTimeout(lane.asked(clinicId, patientId), ASKED_MS_MAX)
  } catch (error) {
    logFailure('asked_days_unknown', error)
    return { days: [], moves: [] }
  }
}

const ASKED_MS_MAX = SECOND_MS

/** Each lane answers once the lot that is under way is over. Asks nothing of D1. */
export async function askLanes(env: RecorderEnv): Promise<void> {
  const lanes = Array.from({ length: lanesOf(env) }, (_, lane) => nameOf(lane))
  const nothing = (): Entry => ({ kind: CLAIM.name, clinicId: '', op: newId(), isKeyed: false, row: '[]' })
  const outcomes = await Promise.all(lanes.map((lane) => ask(env, nothing(), lane)))
  if (outcomes.some((outcome) => 'failed' in outcome)) throw new Error('A lane takes no entry')
}

/** A retry is safe: an entry carries its operation. */
const ask = (env: RecorderEnv, entry: Entry, name = laneOf(env, entry.clinicId)): Promise<Outcome> =>
  onObject(env.RECORDER, name, (lane) => lane.record(entry))

/** The name of the object that sends what requests of this clinic ask. */
export function laneOf(env: RecorderEnv, clinicId: string): string {
  let sum = 0
  for (const character of clinicId) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 65_521
  return nameOf(sum % lanesOf(env))
}

const lanesOf = ({ RECORDER_LANES }: RecorderEnv): number =>
  Math.min(LANES_MAX, Math.max(1, Math.floor(Number(RECORDER_LANES)) || LANES_DEFAULT))

const nameOf = (lane: number): string => `lane-${lane}`
