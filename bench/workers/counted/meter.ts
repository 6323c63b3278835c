import type { Begin } from './bindings'
import type { Around } from './database'
import { add, current, type When, whenBegun } from './tally'

/**
 * The state of one object: the operation of its last call, the operation that set the alarm, the number of
 * calls in flight, and whether the alarm is running.
 */
export interface Meter {
  label: string
  armedBy: string
  inFlight: number
  isAlarmRunning: boolean
}

const meters = new WeakMap<object, Meter>()
export const meterOf = (state: object): Meter | undefined => meters.get(state)

export function metered(state: DurableObjectState): Meter {
  const meter = { label: current(), armedBy: current(), inFlight: 0, isAlarmRunning: false }
  meters.set(state, meter)
  countStorage(state.storage, meter)
  return meter
}

/** Work during a call that its caller awaits counts as before the answer; all other work as after it. */
const whenNow = ({ inFlight, isAlarmRunning }: Meter): When =>
  inFlight > 0 ? whenBegun() : isAlarmRunning ? 'alarm' : 'after'

/** A D1 call that ends after the call of the object, such as the copy's, delays no answer. */
export const ofObject =
  (meter: Meter): Begin =>
  () => {
    const { label } = meter
    return (count, amount) => add(label, whenNow(meter), count, amount)
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

/** How long the calls of one Recorder wait behind a lot that left before they came. */
export function lotQueue() {
  let [underWay, waiting]: [number, { label: string; since: number }[]] = [0, []]
  const around: Around = async (batch) => {
    underWay += 1
    try {
      return await batch()
    } finally {
      underWay -= 1
      for (const { label, since } of waiting) add(label, whenBegun(), 'behindLotMs', Date.now() - since)
      waiting = []
    }
  }
  const came = (label: string) => {
    if (underWay > 0) waiting.push({ label, since: Date.now() })
  }
  return { around, came }
}
