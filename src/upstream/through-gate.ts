import { logFailure } from '../lib/log'
import type { UpstreamReply } from './call'
import type { Heard, Permit } from './gate-rules'

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
