import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import type { UpstreamReply } from './call'
import { type CallResult, type Gate, NEW_GATE, type Permit, permit, report } from './gate-rules'

const PER_SECOND_USUAL = 10

/**
 * The gate of one upstream for all consumers and jobs: its rate, its breaker, its Retry-After. This class
 * only stores; gate-rules.ts decides. Storage is synchronous: no call runs between a read and its write.
 */
export class UpstreamGate extends DurableObject<Env> {
  readonly #perSecond = Number(this.env.HOSPITAL_DIRECTORY_PER_SECOND) || PER_SECOND_USUAL

  async permit(): Promise<Permit> {
    const [gate, permitted] = permit(this.#gate, Date.now(), this.#perSecond)
    this.#gate = gate
    return permitted
  }

  async report(id: number, result: CallResult): Promise<void> {
    this.#gate = report(this.#gate, id, result, Date.now())
  }

  get #gate(): Gate {
    return this.ctx.storage.kv.get<Gate>('gate') ?? NEW_GATE
  }

  set #gate(gate: Gate) {
    this.ctx.storage.kv.put('gate', gate)
  }
}

/** The gate refused the call: when to retry, and whether it is closed or only too many callers wait. */
export interface Delay {
  until: number
  isClosed: boolean
}

/**
 * Makes one call at its turn and reports the result to the gate. `call` must await `untilTurn` right before
 * it sends, so that its writes before that use the waiting time; it returns null if it sent nothing.
 */
export async function throughGate<Reply extends UpstreamReply<unknown>>(
  env: Pick<Env, 'UPSTREAM_GATE'>,
  name: string,
  call: (untilTurn: () => Promise<void>) => Promise<Reply | null>,
): Promise<{ reply: Reply | null } | { delay: Delay }> {
  const gate = env.UPSTREAM_GATE.getByName(name)
  const permit: Permit = await gate.permit()
  if (!permit.ok) return { delay: { until: permit.until, isClosed: permit.isClosed } }
  const turnAt = Date.now() + permit.waitMs
  let isSent = false
  let reply: Reply | null = null
  try {
    reply = await call(async () => {
      await scheduler.wait(Math.max(0, turnAt - Date.now()))
      isSent = true
    })
    return { reply }
  } finally {
    // A lost report does no harm: the gate replaces a probe without a report.
    await gate
      .report(permit.id, isSent ? resultOf(reply) : { is: 'unused' })
      .catch((error: unknown) => logFailure('upstream.report', error))
  }
}

function resultOf(reply: UpstreamReply<unknown> | null): CallResult {
  if (!reply || reply.is === 'unknown') return { is: 'failed' }
  if (reply.is !== 'not_now') return { is: 'answered' }
  return { is: reply.isWell ? 'answered' : 'failed', retryAfterMs: reply.retryAfterMs }
}
