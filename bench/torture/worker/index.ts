// The service with bindings and objects that fail. Only `npm run torture` builds it.

import type { Opening } from '../../../src/doctor-day/state/day'
import { dayKey } from '../../../src/doctor-day/storage/address'
import service from '../../../src/index'
import { unreliableEnv } from './bindings'
import { faultCounts, injects } from './fate'
import { type DoctorDay, STARTS_AGAIN } from './objects'

/** Here the rack reads the counts of faults, and D1 without faults. */
const RACK = '/__torture'

const [REVERSED, TWICE] = [0.2, 0.3]

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === RACK) return forRack(request, env)
    return service.fetch(request, unreliableEnv(env), ctx)
  },
  /** A batch may arrive in another order, and at two consumers at the same time. */
  async queue(batch, env) {
    const messages = injects('batch reversed', REVERSED) ? batch.messages.toReversed() : batch.messages
    const consume = (delivered: readonly Message[]) =>
      service.queue({ ...batch, messages: delivered }, unreliableEnv(env))
    const second = injects('batch delivered twice', TWICE) ? consume(messages.map(copyOf)) : null
    await Promise.all([consume(messages), second])
  },
} satisfies ExportedHandler<Env>

async function forRack(request: Request, env: Env): Promise<Response> {
  if (request.method === 'GET') return Response.json(faultCounts)
  if (request.method === 'PUT') return Response.json(await writeAsNewer(env, await request.json()))
  const { results } = await env.DB.prepare(await request.text()).all()
  return Response.json(results)
}

/** The object aborts after it, so the call always fails. */
async function writeAsNewer({ DOCTOR_DAY }: Env, opening: Opening): Promise<true> {
  const name = dayKey(opening.clinicId, opening.doctorId, opening.date)
  const day = DOCTOR_DAY.get(DOCTOR_DAY.idFromName(name)) as unknown as Pick<DoctorDay, 'becomeNewer'>
  await day.becomeNewer(opening).catch((error: Error) => {
    if (!error.message.includes(STARTS_AGAIN)) throw error
  })
  return true
}

/** A copy of a message. The queue ignores the outcome of this second delivery. */
const copyOf = ({ id, body, attempts, timestamp }: Message): Message => ({
  id,
  body,
  attempts,
  timestamp,
  ack() {},
  retry() {},
})

export { Dashboard } from '../../../src/dashboard/dashboard'
export { UpstreamGate } from '../../../src/upstream/gate'
export { BulkJob, ClinicDay, DoctorDay, LeaveJob, Recorder } from './objects'
