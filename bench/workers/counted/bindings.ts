import { type Around, countedDatabase } from './database'
import { asOneTrip, delayed } from './distance'
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

/** The names of the service's bindings, by their kind. */
export interface Names {
  databases: string[]
  kv: string[]
  queues: string[]
  objects: string[]
}

let names: Names = { databases: [], kv: [], queues: [], objects: [] }

/** The entry that the bench writes calls this with the names in wrangler.toml. */
export function watch(found: Names): void {
  names = found
}

const asItIs: Around = (batch) => batch()

/** `around`: runs the batches that go to D1. */
export function countedBindings(env: Env, begin: Begin, around: Around = asItIs): Env {
  const bindings = env as unknown as Record<string, unknown>
  const counted = { ...bindings }
  for (const name of names.databases)
    counted[name] = countedDatabase(bindings[name] as D1Database, begin, around)
  for (const name of names.kv) counted[name] = countedKv(bindings[name] as KVNamespace, begin)
  for (const name of names.queues) counted[name] = countedQueue(bindings[name] as Queue, begin)
  for (const name of names.objects)
    counted[name] = countedNamespace(bindings[name] as DurableObjectNamespace, isRecorder(name), begin)
  return counted as unknown as Env
}

/** The binding or the class of the object that sends lots of statements to D1. */
export const isRecorder = (name: string): boolean => name.toUpperCase() === 'RECORDER'

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
    return awaited(() => delayed(async () => call(...args)))
  })

const countedQueue = (queue: Queue, begin: Begin): Queue =>
  wrapped(queue, (name, call) => (...args) => {
    begin()('queueOperations', name === 'sendBatch' ? [...(args[0] as Iterable<unknown>)].length : 1)
    return awaited(() => delayed(async () => call(...args)))
  })

/** Each call of a stub is one request to its object. */
const countedNamespace = (
  namespace: DurableObjectNamespace,
  isRecorders: boolean,
  begin: Begin,
): DurableObjectNamespace =>
  wrapped(namespace, (name, call) => {
    if (name !== 'get' && name !== 'getByName') return call
    return (...args) =>
      wrapped(call(...args) as object, (_, method) => (...sent) => {
        const charge = begin()
        const send = async () => method(...sent)
        charge(isRecorders ? 'recorderRequests' : 'objectRequests')
        return awaited(() => (isRecorders ? recorded(charge, send) : delayed(send)))
      })
  })

/** The calls of the Recorder that are under way, oldest first. */
const recording = new Set<Charge>()

async function recorded<Result>(charge: Charge, call: () => Promise<Result>): Promise<Result> {
  recording.add(charge)
  try {
    return await asOneTrip(call)
  } finally {
    recording.delete(charge)
  }
}

/** A batch of the Recorder belongs to the oldest call that waits for it; without one, to `own`. */
export const ofRecorder =
  (own: Begin): Begin =>
  () => {
    const [caller = own()] = recording
    return caller
  }
