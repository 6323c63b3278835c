import service from '../../../src/index'
import { countedBindings, OPERATIONS_PER_DELIVERY, ofWorker } from './bindings'
import { setDistance } from './distance'
import { add, answering, awaited, begin, current, snapshot } from './tally'

/**
 * The service with every binding counted. `/__bill` returns the counts; a PUT starts a named operation. The
 * bench writes an entry beside it that exports the classes of the objects (bench/servers.mjs).
 */
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '/__bill') return answering(async () => service.fetch(request, counted(env), ctx))
    if (request.method === 'PUT') {
      begin(searchParams.get('name') ?? '')
      setDistance(Number(searchParams.get('delay_ms')), Number(searchParams.get('d1_ms')))
    }
    return Response.json(snapshot())
  },
  async queue(batch, env) {
    add(current(), 'after', 'queueOperations', OPERATIONS_PER_DELIVERY * batch.messages.length)
    await awaited(async () => service.queue(batch, counted(env)))
  },
} satisfies ExportedHandler<Env>

let bindings: Env | undefined
function counted(env: Env): Env {
  bindings ??= countedBindings(env, ofWorker)
  return bindings
}
