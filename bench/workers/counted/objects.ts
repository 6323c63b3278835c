import {
  BulkJob as BulkJobItself,
  DoctorDay as DoctorDayItself,
  UpstreamGate as GateItself,
} from '../../../src/index'
import { type Begin, countedBindings } from './bindings'
import { add, awaited, current, type When, whenBegun } from './tally'

/** The classes of the service with their storage, their bindings and their alarms counted. */

/**
 * Of one object: the operation it was last called for and the one that set the alarm, how many calls are
 * inside it, and whether the alarm rings.
 */
interface Meter {
  label: string
  armedBy: string
  inside: number
  isRinging: boolean
}

const meters = new WeakMap<object, Meter>()

/** What runs while a caller is inside and awaits the answer stands before it, everything else after. */
const whenNow = ({ inside, isRinging }: Meter): When =>
  inside > 0 ? whenBegun() : isRinging ? 'alarm' : 'after'

/** A call to D1 that outlives the call to the object, as the copy's does, delays no answer. */
const ofObject =
  (meter: Meter): Begin =>
  () => {
    const { label } = meter
    return (count, amount) => add(label, whenNow(meter), count, amount)
  }

function metered(state: DurableObjectState): Meter {
  const meter = { label: current(), armedBy: current(), inside: 0, isRinging: false }
  meters.set(state, meter)
  countStorage(state.storage, meter)
  return meter
}

/** In place, because the base class takes nothing but the runtime's own state. */
function countStorage(storage: DurableObjectStorage, meter: Meter): void {
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  const countedExec: typeof sql.exec = (query, ...values) => {
    const [label, when] = [meter.label, whenNow(meter)]
    const cursor = exec(query, ...values)
    // The rows are read as the caller walks through the cursor, and that ends within this turn.
    queueMicrotask(() => {
      add(label, when, 'objectRowsRead', cursor.rowsRead)
      add(label, when, 'objectRowsWritten', cursor.rowsWritten)
    })
    return cursor as never
  }
  sql.exec = countedExec
  countKeys(storage, meter)
}

/** Key by key a SQLite object bills one row each; setting an alarm bills one row written. */
function countKeys(storage: DurableObjectStorage, meter: Meter): void {
  for (const [name, count] of [
    ['get', 'objectRowsRead'],
    ['put', 'objectRowsWritten'],
    ['setAlarm', 'objectRowsWritten'],
  ] as const) {
    const original = storage[name].bind(storage) as (...args: unknown[]) => unknown
    const counted = (...args: unknown[]) => {
      add(meter.label, whenNow(meter), count)
      if (name === 'setAlarm') meter.armedBy = meter.label
      return original(...args)
    }
    Object.assign(storage, { [name]: counted })
  }
}

type Constructor = abstract new (...args: never[]) => object

/**
 * Knows of each method when somebody is inside it. What answers at once stays so: objects call themselves.
 */
function meterMethods(counted: Constructor, itself: Constructor): void {
  for (const [name, { value: method }] of Object.entries(
    Object.getOwnPropertyDescriptors(itself.prototype),
  )) {
    if (name === 'constructor' || typeof method !== 'function') continue
    Object.defineProperty(counted.prototype, name, {
      value(this: { ctx: DurableObjectState }, ...args: unknown[]) {
        const meter = meters.get(this.ctx)
        if (!meter) return method.apply(this, args)
        return name === 'alarm'
          ? awaited(async () => alarmed(meter, () => method.apply(this, args)))
          : inside(meter, () => method.apply(this, args))
      },
    })
  }
}

/** Cloudflare bills an alarm as a request to its object. */
async function alarmed(meter: Meter, ring: () => Promise<void>): Promise<void> {
  meter.label = meter.armedBy
  add(meter.label, 'alarm', 'objectRequests')
  meter.isRinging = true
  try {
    await ring()
  } finally {
    meter.isRinging = false
  }
}

function inside(meter: Meter, call: () => unknown): unknown {
  meter.label = current()
  meter.inside += 1
  const leave = () => {
    meter.inside -= 1
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

export class DoctorDay extends DoctorDayItself {
  constructor(state: DurableObjectState, env: Env) {
    super(state, countedBindings(env, ofObject(metered(state))))
  }
}

export class BulkJob extends BulkJobItself {
  constructor(state: DurableObjectState, env: Env) {
    super(state, countedBindings(env, ofObject(metered(state))))
  }
}

export class UpstreamGate extends GateItself {
  constructor(state: DurableObjectState, env: Env) {
    super(state, countedBindings(env, ofObject(metered(state))))
  }
}

meterMethods(DoctorDay, DoctorDayItself)
meterMethods(BulkJob, BulkJobItself)
meterMethods(UpstreamGate, GateItself)
