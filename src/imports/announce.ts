import { inTime } from '../lib/in-time'
import { Problem } from '../problem'
import { MESSAGES_MAX, sendChunks } from './chunk-messages'

/**
 * How long the queue may take before it counts as out of reach. The caller hears of it within two seconds.
 */
const QUEUE_WAIT_MS = 1_200
const RETRY_AFTER_SECONDS = 5

/** Whether the queue took the first messages in time. What it does later is nobody's concern any more. */
export async function sendInTime(env: Env, jobId: string, chunks: readonly number[]): Promise<boolean> {
  const sent = sendChunks(env, jobId, chunks.slice(0, MESSAGES_MAX))
  return inTime(sent, QUEUE_WAIT_MS).then(
    () => true,
    () => false,
  )
}

export const queueUnreachable = (sentence: string) =>
  new Problem('unavailable', sentence, { retryAfterSeconds: RETRY_AFTER_SECONDS })
