import { WorkerEntrypoint } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import type { ContentType } from './queue-protocol'

/**
 * How a queue on one machine reaches its consumer: calling a `queue` handler from another Worker needs a
 * runtime that is started with its experiments, so the Worker that has the handler exports an entrypoint.
 */

/** A message on its way to the consumer. */
export interface Delivered {
  id: string
  contentType: ContentType
  body: Uint8Array
  sentAt: number
  attempts: number
}

/** What the consumer wants of a message again. */
export interface Verdict {
  /** The messages that need no other delivery, by id. */
  done: string[]
  /** Seconds before the next delivery of a message, by its id, where the consumer chose them. */
  delays: Record<string, number>
}

type Handler = (batch: MessageBatch, env: Env, ctx: ExecutionContext) => void | Promise<void>

/** The entrypoint that hands batches to the Worker's own `queue` handler. */
export const consumerOf = (worker: { queue?: Handler }) =>
  class QueueConsumer extends WorkerEntrypoint<Env> {
    async deliver(queue: string, delivered: Delivered[]): Promise<Verdict> {
      const verdicts = new Map<string, Decision>()
      const batch = batchOf(queue, delivered, verdicts)
      try {
        if (!worker.queue) throw new TypeError('Handler does not export a queue() function.')
        await worker.queue(batch.messages, this.env, this.ctx)
      } catch (error) {
        batch.fail()
        logFailure('queue.consumer', error, { queue })
      }
      return verdictOf(delivered, verdicts)
    }
  }

type Decision = { isDone: true } | { isDone: false; delaySeconds?: number }

/** The consumer's view of a batch. The first decision about a message counts, as on Cloudflare. */
function batchOf(queue: string, delivered: Delivered[], verdicts: Map<string, Decision>) {
  const decide = (id: string, decision: Decision) => {
    if (!verdicts.has(id)) verdicts.set(id, decision)
  }
  const retry = (id: string, options?: QueueRetryOptions) =>
    decide(id, { isDone: false, delaySeconds: options?.delaySeconds })
  const all = (each: (id: string) => void) => {
    for (const { id } of delivered) each(id)
  }
  const messages: MessageBatch = {
    queue,
    metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } },
    messages: delivered.map((message) => ({
      id: message.id,
      timestamp: new Date(message.sentAt),
      attempts: message.attempts,
      body: bodyOf(message),
      ack: () => decide(message.id, { isDone: true }),
      retry: (options) => retry(message.id, options),
    })),
    ackAll: () => all((id) => decide(id, { isDone: true })),
    retryAll: (options) => all((id) => retry(id, options)),
  }
  return { messages, fail: () => all((id) => retry(id)) }
}

/** A message that the consumer did not mention is done. */
function verdictOf(delivered: Delivered[], verdicts: Map<string, Decision>): Verdict {
  const verdict: Verdict = { done: [], delays: {} }
  for (const { id } of delivered) {
    const decision = verdicts.get(id) ?? { isDone: true }
    if (decision.isDone) verdict.done.push(id)
    else if (decision.delaySeconds !== undefined) verdict.delays[id] = decision.delaySeconds
  }
  return verdict
}

function bodyOf({ contentType, body }: Delivered): unknown {
  if (contentType === 'bytes') return body
  const text = new TextDecoder().decode(body)
  return contentType === 'json' ? JSON.parse(text) : text
}
