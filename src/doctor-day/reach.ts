import type { Ctx } from '../context'
import type { DayKey } from './address'
import type { DoctorDay, Operation } from './doctor-day'

const TRIES_MAX = 3
const PAUSE_MS = 50

/** The object's methods as seen from outside: what they return is a structured clone, and a promise of it. */
type RemoteDay = {
  [Method in Exclude<keyof DoctorDay, keyof DurableObject>]: (
    ...args: Parameters<DoctorDay[Method]>
  ) => Promise<Awaited<ReturnType<DoctorDay[Method]>>>
}

/**
 * Calls the object that owns a day. A reset breaks its stub, so each try takes a fresh one; trying again is
 * safe because an operation carries its id. An overloaded object is left alone.
 */
export async function onDay<Reply>(
  ctx: Ctx,
  key: DayKey,
  call: (day: RemoteDay) => Promise<Reply>,
): Promise<Reply> {
  const namespace = ctx.env.DOCTOR_DAY
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(key)) as unknown as RemoteDay)
    } catch (error) {
      if (attempt === TRIES_MAX || !isWorthAnother(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

function isWorthAnother(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}

export const operation = (ctx: Ctx, id: string): Operation => ({
  id,
  actor: ctx.actor.keyId,
  isKeyed: ctx.once.key !== null,
})
