import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { DoctorDay, Recorder } from '../src/index'
import type { Reply } from './clinic'

/**
 * How many calls of a store or an object a request waits for one after the other: its critical path. Each call
 * is held back until nothing goes on but calls that are held back; then all of them go together, as one wave. So
 * what runs in parallel counts once, and no clock decides. Calls that follow the answer do not count.
 */
export async function depthOf(request: () => Promise<Reply>): Promise<{ depth: number; reply: Reply }> {
  const waves = holdBack()
  let reply: Reply | null = null
  const asked = request().then((answer) => {
    reply = answer
  })
  while (!reply) {
    await scheduler.wait(POLL_MS)
    waves.next()
  }
  await asked
  const depth = waves.count()
  waves.end()
  return { depth, reply }
}

const POLL_MS = 1

/** Nothing has gone on for this many polls: JavaScript that has no call to wait for runs at once. */
const QUIET_POLLS = 8

/** A call of an object. It has arrived once its method runs, and has returned once that method ends. */
interface Sent {
  method: string
  text: string
  state: 'sent' | 'arrived' | 'returned'
}

const DAY_METHODS = ['perform', 'performEach', 'move', 'declareAbsence', 'see'] as const

/** By the name of the method: the classes whose objects are called. */
const CLASSES: [prototype: object, methods: readonly string[]][] = [
  [DoctorDay.prototype, DAY_METHODS],
  [Recorder.prototype, ['record']],
]

type Call = (...sent: unknown[]) => Promise<unknown>

function holdBack() {
  const sent = new Set<Sent>()
  let [wave, held, running, quiet, isOver] = [0, 0, 0, 0, false]

  /** Polls within the caller’s own context, because an object cannot wait for what another context ends. */
  async function hold(): Promise<void> {
    if (isOver) return
    const own = wave
    held += 1
    quiet = 0
    while (own === wave && !isOver) await scheduler.wait(POLL_MS)
    held -= 1
    quiet = 0
  }

  async function leaf<Result>(call: () => Promise<Result>): Promise<Result> {
    await hold()
    running += 1
    return call().finally(() => {
      running -= 1
      quiet = 0
    })
  }

  /** The Recorder and its batch count as one call, so only the batch is held back. */
  async function ofObject(method: string, args: unknown[], call: () => Promise<unknown>): Promise<unknown> {
    if (method !== 'record') await hold()
    const one: Sent = { method, text: JSON.stringify(args), state: 'sent' }
    sent.add(one)
    return call().finally(() => {
      sent.delete(one)
      quiet = 0
    })
  }

  const spies = [
    ...onPrototype(env.DB, ['batch'], leaf),
    ...onPrototype(env.DB.prepare('SELECT 1'), ['run', 'all', 'raw', 'first'], leaf),
    ...onPrototype(env.REPLIES, ['get', 'put'], leaf),
  ]
  const namespace = Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace
  const get = namespace.get
  spies.push(
    vi.spyOn(namespace, 'get').mockImplementation(function (this: DurableObjectNamespace, ...args) {
      const stub = get.apply(this, args)
      return new Proxy(stub, {
        get(target, name) {
          const method = CLASSES.flatMap(([, methods]) => methods).find((known) => known === name)
          if (!method) return Reflect.get(target, name)
          const object = target as unknown as Record<string, Call>
          return (...args: unknown[]) => ofObject(method, args, async () => object[method]?.(...args))
        },
      })
    }) as never,
  )
  /** Tells when a call has arrived at its object, and when the object has done its work. */
  function arriving(method: string, real: Call): Call {
    return async function (this: object, ...args) {
      const text = JSON.stringify(args)
      const one = [...sent].find(
        (each) => each.state === 'sent' && each.method === method && each.text === text,
      )
      if (one) one.state = 'arrived'
      quiet = 0
      const answer = (async () => real.apply(this, args))()
      return answer.finally(() => {
        if (one) one.state = 'returned'
        quiet = 0
      })
    }
  }
  for (const [prototype, methods] of CLASSES)
    for (const method of methods) {
      const object = prototype as Record<string, Call>
      const real = object[method] as Call
      spies.push(vi.spyOn(object, method).mockImplementation(arriving(method, real)))
    }

  return {
    /** Lets go what is held back, if nothing else goes on. */
    next() {
      const isMoving = running > 0 || [...sent].some(({ state }) => state !== 'arrived')
      quiet = isMoving || held === 0 ? 0 : quiet + 1
      if (quiet < QUIET_POLLS) return
      wave += 1
      quiet = 0
    },
    count: () => wave,
    end() {
      isOver = true
      for (const spy of spies) spy.mockRestore()
    },
  }
}

function onPrototype(
  binding: object,
  methods: string[],
  around: (call: () => Promise<unknown>) => Promise<unknown>,
): { mockRestore(): void }[] {
  const prototype = Object.getPrototypeOf(binding) as Record<string, Call>
  return methods.map((method) => {
    const real = prototype[method] as Call
    return vi.spyOn(prototype, method).mockImplementation(function (this: object, ...args: unknown[]) {
      return around(() => real.apply(this, args))
    })
  })
}
