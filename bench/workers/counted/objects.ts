import { DurableObject } from 'cloudflare:workers'
import { countedBindings, isRecorder, ofRecorder } from './bindings'
import { lotQueue, type Meter, metered, meterOf, ofObject } from './meter'
import { add, awaited, current } from './tally'

type ObjectClass = new (state: DurableObjectState, env: Env) => object

/** A class of the service with its storage, its bindings and its alarms counted. */
export function counted(name: string, Itself: ObjectClass): ObjectClass {
  return isRecorder(name) ? countedRecorder(Itself) : countedObject(Itself)
}

function countedObject(Itself: ObjectClass): ObjectClass {
  class Counted extends Itself {
    constructor(state: DurableObjectState, env: Env) {
      super(state, countedBindings(env, ofObject(metered(state))))
    }
  }
  meterMethods(Counted, Itself)
  return Counted
}

function countedRecorder(Itself: ObjectClass): ObjectClass {
  const queues = new WeakMap<object, ReturnType<typeof lotQueue>>()
  class Counted extends Itself {
    constructor(state: DurableObjectState, env: Env) {
      const queue = lotQueue()
      queues.set(state, queue)
      super(state, countedBindings(env, ofRecorder(ofObject(metered(state))), queue.around))
    }
  }
  meterMethods(Counted, Itself, (state) => queues.get(state)?.came(current()))
  return Counted
}

/** Counts the calls in flight. A synchronous method stays synchronous, because objects call their own. */
function meterMethods(counted: ObjectClass, itself: ObjectClass, came?: (state: object) => void): void {
  for (const [name, method] of methodsOf(itself.prototype))
    Object.defineProperty(counted.prototype, name, {
      value(this: { ctx: DurableObjectState }, ...args: unknown[]) {
        const meter = meterOf(this.ctx)
        if (!meter) return method.apply(this, args)
        if (name === 'alarm') return awaited(async () => runAlarm(meter, () => method.apply(this, args)))
        came?.(this.ctx)
        return runCall(meter, () => method.apply(this, args))
      },
    })
}

type Method = (this: unknown, ...args: unknown[]) => unknown

/** The methods of a class and of those it extends, up to the runtime's own. */
function methodsOf(prototype: object): Map<string, Method> {
  if (prototype === DurableObject.prototype) return new Map()
  const methods = methodsOf(Object.getPrototypeOf(prototype))
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
    if (name !== 'constructor' && typeof value === 'function') methods.set(name, value)
  return methods
}

/** Cloudflare bills an alarm as a request to its object. */
async function runAlarm(meter: Meter, alarm: () => unknown): Promise<void> {
  meter.label = meter.armedBy
  add(meter.label, 'alarm', 'objectRequests')
  meter.isAlarmRunning = true
  try {
    await alarm()
  } finally {
    meter.isAlarmRunning = false
  }
}

function runCall(meter: Meter, call: () => unknown): unknown {
  meter.label = current()
  meter.inFlight += 1
  const leave = () => {
    meter.inFlight -= 1
  }
  try {
    const result = call()
    if (result instanceof Promise) return result.finally(leave)
    leave()
    return result
  } catch (error) {
    leave()
    throw error
  }
}
