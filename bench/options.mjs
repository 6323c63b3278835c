import { parseArgs } from 'node:util'
import { doctorsFor } from './seed.mjs'
import { ALARM_AFTER_MS } from './servers.mjs'
import { WORKLOADS } from './workloads.mjs'

const PARTS = ['bill', 'load', 'growth', 'import', 'start']

const FULL = {
  rounds: 5,
  seconds: 0.8,
  alarmMs: ALARM_AFTER_MS,
  growth: { slots: [10, 100, 1_000], days: 20, records: [1_000, 100_000, 1_000_000], amount: 500 },
  import: { rows: 100_000 },
  starts: 5,
}

/** Checks each answer and counts each cost, but is too short to measure time. */
const SMOKE = {
  rounds: 1,
  seconds: 0,
  amount: 12,
  alarmMs: 0,
  growth: { slots: [10], days: 2, records: [10], amount: 12 },
  import: { rows: 500 },
  starts: 1,
}

const USAGE = `npm run bench -- [options]
  --smoke         everything once and briefly; its times mean nothing
  --rounds N      usually ${FULL.rounds}
  --seconds S     how long each run of a round lasts, usually ${FULL.seconds}
  --only A,B      only these parts (${PARTS.join(', ')})
                  or these workloads (${WORKLOADS.map(({ name }) => name).join(', ')})`

/** A run of some parts or fewer rounds is not whole; its results are saved apart. Throws a usage error. */
export function readOptions() {
  const given = parsed()
  const only = given.only?.split(',') ?? []
  const names = WORKLOADS.map(({ name }) => name)
  const unknown = only.find((name) => !PARTS.includes(name) && !names.includes(name))
  if (unknown !== undefined) throw new Error(`--only does not know ${unknown}.\n${USAGE}`)
  const usual = given.smoke ? SMOKE : FULL
  const settings = {
    ...usual,
    rounds: positive(given.rounds, '--rounds') ?? usual.rounds,
    seconds: positive(given.seconds, '--seconds') ?? usual.seconds,
  }
  const workloads = WORKLOADS.filter(({ name }) => only.includes(name))
  const parts = PARTS.filter((part) => only.includes(part) || (part === 'load' && workloads.length > 0))
  return {
    ...settings,
    isSmoke: Boolean(given.smoke),
    isWhole: !given.smoke && only.length === 0 && settings.rounds >= FULL.rounds,
    isSelected: (part) => only.length === 0 || parts.includes(part),
    workloads: (workloads.length > 0 ? workloads : WORKLOADS).filter(({ isBillOnly }) => !isBillOnly),
    doctors: doctorsFor(settings.rounds * settings.seconds),
  }
}

function parsed() {
  const text = { type: 'string' }
  const options = { smoke: { type: 'boolean' }, rounds: text, seconds: text, only: text }
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw new Error(`${error.message}\n${USAGE}`)
  }
}

function positive(text, name) {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!(number > 0)) throw new Error(`${name} must be a number above 0, not ${text}.\n${USAGE}`)
  return number
}
