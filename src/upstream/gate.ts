import { DurableObject } from 'cloudflare:workers'
import { logFailure } from '../lib/log'
import type { UpstreamReply } from './call'
import { type Gate, type Heard, NEW_GATE, type Permit, permit, report } from './gate-rules'

const PER_SECOND_USUAL = 10

/**
 * The one gate before an upstream, for all consumers and jobs: its rate, its breaker, its Retry-After. This
 * class only stores; gate-rules.ts decides. Storage is synchronous, so nobody comes between reading and
 * writing.
 */
export class UpstreamGate extends DurableObject<Env> {
  readonly #perSecond = Number(this.env.HOSPITAL_DIRECTORY_PER_SECOND) || PER_SECOND_USUAL

  async permit(): Promise<Permit> {
    const [gate, permitted] = permit(this.#gate, Date.now(), this.#perSecond)
    this.#gate = gate
    return permitted
  }

  async report(id: number, heard: Heard): Promise<void> {
    this.#gate = report(this.#gate, id, heard, Date.now())
  }

  get #gate(): Gate {
    return this.ctx.storage.kv.get<Gate>('gate') ?? NEW_GATE
  }

  set #gate(gate: Gate) {
    this.ctx.storage.kv.put('gate', gate)
  }
}

/** The gate did not open: when to come again, and whether it is closed rather than crowded. */
export interface Halt {
  until: number
  isClosed: boolean
}

/**
 * Makes one call when its turn has come, and tells the gate what came of it. `call` awaits `turn` right
 * before it sends, so what it has to write first costs no time; null says that it sent nothing.
 */
export async function throughGate<Reply extends UpstreamReply<unknown>>(
  env: Pick<Env, 'UPSTREAM_GATE'>,
  name: string,
  call: (turn: () => Promise<void>) => Promise<Reply | null>,
): Promise<{ reply: Reply | null } | { halt: Halt }> {
  const gate = env.UPSTREAM_GATE.getByName(name)
  const permit: Permit = await gate.permit()
  if (!permit.ok) return { halt: { until: permit.until, isClosed: permit.isClosed } }
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
    // A report that is lost harms nobody: the gate replaces a probe it hears nothing of.
    await gate
      .report(permit.id, isSent ? heardIn(reply) : { is: 'unused' })
      .catch((error: unknown) => logFailure('upstream.report', error))
  }
}

function heardIn(reply: UpstreamReply<unknown> | null): Heard {
  if (!reply || reply.is === 'unknown') return { is: 'failed' }
  if (reply.is !== 'not_now') return { is: 'answered' }
  return { is: reply.isWell ? 'answered' : 'failed', retryAfterMs: reply.retryAfterMs }
}
