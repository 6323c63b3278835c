import { chance, injects, type Rates, unreliable } from './fate'

/** The bindings with the platform's faults. The data behind them is real. */
export const unreliableEnv = (env: Env): Env => ({
  ...env,
  DB: database(env.DB),
  REPLIES: replies(env.REPLIES),
  IMPORT_CHUNKS: queue(env.IMPORT_CHUNKS),
  DOCTOR_DAY: objects(env.DOCTOR_DAY, 'call of a day'),
  CLINIC_DAY: objects(env.CLINIC_DAY, 'call of a clinic’s day'),
  BULK_JOB: objects(env.BULK_JOB, 'call of a job'),
  LEAVE_JOB: objects(env.LEAVE_JOB, 'call of a leave'),
  RECORDER: objects(env.RECORDER, 'call of the Recorder'),
})

const D1_RATES: Rates = { before: 0.02, late: 0.03, after: 0.02 }

const D1_LOST = [
  'D1_ERROR: Network connection lost.',
  'D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.',
  'D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.',
]

const lostD1 = () => new Error(D1_LOST[Math.floor(chance() * D1_LOST.length)])

/** Wraps only the methods that drizzle calls. */
function database(real: D1Database): D1Database {
  const inner = new WeakMap<object, D1PreparedStatement>()
  const run = <T>(call: () => Promise<T>) => unreliable('D1', D1_RATES, lostD1, call)
  const wrap = (statement: D1PreparedStatement): object => {
    const outer = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      run: () => run(() => statement.run()),
      all: () => run(() => statement.all()),
      first: () => run(() => statement.first()),
      raw: () => run(() => statement.raw()),
    }
    inner.set(outer, statement)
    return outer
  }
  const batch = (statements: object[]) =>
    run(() => real.batch(statements.flatMap((statement) => inner.get(statement) ?? [])))
  return { prepare: (sql: string) => wrap(real.prepare(sql)), batch } as unknown as D1Database
}

const KV_RATES: Rates = { before: 0.03, late: 0.03, after: 0.03 }
const KV_STALE = 0.1

const lostKv = () => new Error('KV GET failed: 500 Internal Server Error')

/** KV is eventually consistent: a stored value may not be found, as if it had never been stored. */
const replies = (real: KVNamespace): KVNamespace =>
  ({
    get: (name: string, type: 'json') =>
      unreliable('KV get', KV_RATES, lostKv, async () =>
        injects('KV stale', KV_STALE) ? null : await real.get(name, type),
      ),
    put: (name: string, value: string, options: KVNamespacePutOptions) =>
      unreliable('KV put', KV_RATES, lostKv, async () => {
        if (!injects('KV put lost', KV_STALE)) await real.put(name, value, options)
      }),
  }) as unknown as KVNamespace

const QUEUE_RATES: Rates = { before: 0.03, late: 0.05, after: 0.03 }
const [DROPPED, DOUBLED, REORDERED, SLOWED] = [0.15, 0.15, 0.25, 0.15]

const lostQueue = () => new Error('Queue sendBatch failed: Internal Server Error')

type Sent = MessageSendRequest<unknown>

const queue = (real: Queue): Queue =>
  ({
    sendBatch: (messages: Iterable<Sent>, options?: QueueSendBatchOptions) =>
      unreliable('queue send', QUEUE_RATES, lostQueue, async () => {
        const arriving = [...messages]
          .filter(() => !injects('message dropped', DROPPED))
          .flatMap((message) => (injects('message doubled', DOUBLED) ? [message, message] : [message]))
        if (injects('messages reordered', REORDERED)) arriving.reverse()
        const delaySeconds = injects('messages slowed', SLOWED) ? 2 : options?.delaySeconds
        if (arriving.length > 0) await real.sendBatch(arriving, { ...options, delaySeconds })
      }),
  }) as unknown as Queue

const CALL_RATES: Rates = { before: 0.01, late: 0.01, after: 0.01 }

/** workerd's errors for an object whose machine was lost: one is retryable, one has an unknown outcome. */
const lostObject = () =>
  chance() < 0.5
    ? Object.assign(new Error('Network connection lost.'), { retryable: true })
    : Object.assign(new Error('Durable Object reset because its code was updated.'), {
        durableObjectReset: true,
      })

function objects<T extends Rpc.DurableObjectBranded>(
  real: DurableObjectNamespace<T>,
  what: string,
): DurableObjectNamespace<T> {
  const unreliableStub = (stub: object) =>
    new Proxy(stub as Record<string | symbol, (...sent: unknown[]) => Promise<unknown>>, {
      get:
        (target, method) =>
        (...sent: unknown[]) =>
          unreliable(what, CALL_RATES, lostObject, async () => target[method]?.(...sent)),
    })
  return {
    idFromName: (name: string) => real.idFromName(name),
    get: (id: DurableObjectId) => unreliableStub(real.get(id)),
    getByName: (name: string) => unreliableStub(real.getByName(name)),
  } as unknown as DurableObjectNamespace<T>
}
