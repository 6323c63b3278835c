// The service as it is, on bindings that fail and in objects that die. Built for `npm run torture` alone.
import service from '../../../src/index'
import { unreliableEnv } from './bindings'
import { strikes, struck } from './fate'

/** The rack asks here what struck, and reads D1 past the faults. */
const RACK = '/__torture'

const [REVERSED, TWICE] = [0.2, 0.3]

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === RACK) return forRack(request, env)
    return service.fetch(request, unreliableEnv(env), ctx)
  },
  /** A batch may come in another order, and to two consumers at the same time. */
  async queue(batch, env) {
    const messages = strikes('batch reversed', REVERSED) ? batch.messages.toReversed() : batch.messages
    const consume = (delivered: readonly Message[]) =>
      service.queue({ ...batch, messages: delivered }, unreliableEnv(env))
    const again = strikes('batch delivered twice', TWICE) ? consume(messages.map(ghostOf)) : null
    await Promise.all([consume(messages), again])
  },
} satisfies ExportedHandler<Env>

async function forRack(request: Request, env: Env): Promise<Response> {
  if (request.method === 'GET') return Response.json(struck)
  const { results } = await env.DB.prepare(await request.text()).all()
  return Response.json(results)
}

/** What becomes of the other delivery tells the queue nothing. */
const ghostOf = ({ id, body, attempts, timestamp }: Message): Message => ({
  id,
  body,
  attempts,
  timestamp,
  ack() {},
  retry() {},
})

export { UpstreamGate } from '../../../src/upstream/gate'
export { BulkJob, DoctorDay } from './objects'
