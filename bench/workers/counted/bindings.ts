import { countedDatabase } from './database'
import { add, awaited, type Count, current, whenBegun } from './tally'

/** Adds counts to one operation, before or after its answer. A call is charged when it is over. */
export type Charge = (count: Count, amount?: number) => void
export type Begin = () => Charge

/** For calls of the Worker itself: a call counts as before the answer if it began before the answer. */
export const ofWorker: Begin = () => {
  const [label, when] = [current(), whenBegun()]
  return (count, amount) => add(label, when, count, amount)
}

/** A queue bills a message three times: written, read and deleted. The last two come with its delivery. */
export const OPERATIONS_PER_DELIVERY = 2

export const countedBindings = (env: Env, begin: Begin): Env => ({
  ...env,
  DB: countedDatabase(env.DB, begin),
  REPLIES: countedKv(env.REPLIES, begin),
  IMPORT_CHUNKS: countedQueue(env.IMPORT_CHUNKS, begin),
  DOCTOR_DAY: countedNamespace(env.DOCTOR_DAY, begin),
  BULK_JOB: countedNamespace(env.BULK_JOB, begin),
  UPSTREAM_GATE: countedNamespace(env.UPSTREAM_GATE, begin),
})

type Method = (...args: unknown[]) => unknown
type Methods = Record<string | symbol, Method>

/** Methods of native objects must be called on the object itself, never on a proxy. */
function wrapped<Target extends object>(
  target: Target,
  around: (name: string, call: Method) => Method,
): Target {
  const methods = target as unknown as Methods
  return new Proxy(target, {
    get(_, name) {
      if (name === 'then' || typeof methods[name] !== 'function') return methods[name]
      return around(String(name), (...args) => methods[name]?.(...args))
    },
  })
}

const KV_COUNTS: Record<string, Count> = {
  get: 'kvReads',
  getWithMetadata: 'kvReads',
  put: 'kvWrites',
  delete: 'kvWrites',
  list: 'kvWrites',
}

const countedKv = (kv: KVNamespace, begin: Begin): KVNamespace =>
  wrapped(kv, (name, call) => (...args) => {
    const count = KV_COUNTS[name]
    if (!count) throw new Error(`KV_COUNTS does not say what ${name} costs`)
    begin()(count)
    return awaited(async () => call(...args))
  })

const countedQueue = (queue: Queue, begin: Begin): Queue =>
  wrapped(queue, (name, call) => (...args) => {
    begin()('queueOperations', name === 'sendBatch' ? [...(args[0] as Iterable<unknown>)].length : 1)
    return awaited(async () => call(...args))
  })

/** Each call of a stub is one request to its object. */
const countedNamespace = <Class extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<Class>,
  begin: Begin,
): DurableObjectNamespace<Class> =>
  wrapped(namespace, (name, call) => {
    if (name !== 'get' && name !== 'getByName') return call
    return (...args) =>
      wrapped(call(...args) as object, (_, method) => (...sent) => {
        begin()('objectRequests')
        return awaited(async () => method(...sent))
      })
  })
