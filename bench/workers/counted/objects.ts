import {
  BulkJob as BulkJobItself,
  DoctorDay as DoctorDayItself,
  UpstreamGate as GateItself,
} from '../../../src/index'
import { type Begin, countedBindings } from './bindings'
import { add, awaited, current, type When, whenBegun } from './tally'

/** The classes of the service with their storage, their bindings and their alarms counted. */

/**
 * The state of one object: the operation of its last call, the operation that set the alarm, the number of
 * calls in flight, and whether the alarm is running.
 */
interface Meter {
  label: string
  armedBy: string
  inFlight: number
  isAlarmRunning: boolean
}

const meters = new WeakMap<object, Meter>()

/** Work during a call that its caller awaits counts as before the answer; all other work as after it. */
const whenNow = ({ inFlight, isAlarmRunning }: Meter): When =>
  inFlight > 0 ? whenBegun() : isAlarmRunning ? 'alarm' : 'after'

/** A D1 call that ends after the call of the object, such as the copy's, delays no answer. */
const ofObject =
  (meter: Meter): Begin =>
  () => {
    const { label } = meter
    return (count, amount) => add(label, whenNow(meter), count, amount)
  }

function metered(state: DurableObjectState): Meter {
  const meter = { label: current(), armedBy: current(), inFlight: 0, isAlarmRunning: false }
  meters.set(state, meter)
  countStorage(state.storage, meter)
  return meter
}

/** Changes `storage` itself, because the base class accepts only the runtime's own state. */
function countStorage(storage: DurableObjectStorage, meter: Meter): void {
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  const countedExec: typeof sql.exec = (query, ...values) => {
    const [label, when] = [meter.label, whenNow(meter)]
    const cursor = exec(query, ...values)
    // SQLite reads the rows while the caller iterates over the cursor, which ends within this turn.
    queueMicrotask(() => {
      add(label, when, 'objectRowsRead', cursor.rowsRead)
      add(label, when, 'objectRowsWritten', cursor.rowsWritten)
    })
    return cursor as never
  }
  sql.exec = countedExec
  countKeys(storage, meter)
}

/** A SQLite object bills one row for each key; setting an alarm bills one row written. */
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

/** Counts the calls in flight. A synchronous method stays synchronous, because objects call their own. */
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
          ? awaited(async () => runAlarm(meter, () => method.apply(this, args)))
          : runCall(meter, () => method.apply(this, args))
      },
    })
  }
}

/** Cloudflare bills an alarm as a request to its object. */
async function runAlarm(meter: Meter, alarm: () => Promise<void>): Promise<void> {
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
