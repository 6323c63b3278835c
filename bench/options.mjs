import { parseArgs } from 'node:util'
import { CONNECTIONS } from './load.mjs'
import { PEERS } from './peers/list.mjs'
import { referencesOf } from './report/promises.mjs'
import { clinicsFor, doctorsFor } from './seed.mjs'
import { ALARM_AFTER_MS } from './servers.mjs'
import { LIMITS } from './workloads/limits.mjs'
import { loadsFor } from './workloads/workloads.mjs'

const PARTS = ['bill', 'rush', 'depth', 'load', 'pace', 'fairness', 'growth', 'import', 'start']

const FULL = {
  rounds: 5,
  seconds: 0.8,
  alarmMs: ALARM_AFTER_MS,
  clinics: 200,
  rush: { times: 3, warmUps: 1 },
  depth: { times: 5 },
  pace: { pace: 200, seconds: 8 },
  fairness: { amount: 200, connections: CONNECTIONS.high },
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
  clinics: 3,
  rush: { times: 1, warmUps: 0 },
  depth: { times: 1 },
  pace: { pace: 50, seconds: 1 },
  fairness: { amount: 8, connections: CONNECTIONS.low },
  growth: { slots: [10], days: 2, records: [10], amount: 12 },
  import: { rows: 500 },
  starts: 1,
}

const USAGE = `npm run bench -- [options]
  --smoke         everything once and briefly; its times mean nothing
  --rounds N      usually ${FULL.rounds}
  --seconds S     how long each run of a round lasts, usually ${FULL.seconds}
  --only A,B      only these parts (${PARTS.join(', ')}), or only the load of these workloads, bare Workers
                  and peers, by name or title, like 'POST /tests,fairness'; with them, what their promises name`

/** A run of some parts or fewer rounds is not whole; its results are saved apart. Throws a usage error. */
export function readOptions() {
  const given = parsed()
  const usual = given.smoke ? SMOKE : FULL
  const settings = {
    ...usual,
    rounds: positive(given.rounds, '--rounds') ?? usual.rounds,
    seconds: positive(given.seconds, '--seconds') ?? usual.seconds,
  }
  return {
    ...settings,
    ...selected(given.only, settings),
    isSmoke: Boolean(given.smoke),
    isWhole: !given.smoke && given.only === undefined && settings.rounds >= FULL.rounds,
    doctors: doctorsFor(settings.rounds * settings.seconds),
    clinics: clinicsFor(settings.clinics, settings.rounds),
  }
}

/** The parts and the contestants that a pattern means; without one, all. */
function selected(only, { clinics }) {
  const loads = loadsFor(clinics)
  if (only === undefined) return { loads, limits: LIMITS, peers: PEERS, isSelected: () => true }
  const pattern = only.replaceAll(',', '|')
  const [named, isWholly] = [patternOf(pattern), patternOf(`^(?:${pattern})$`)]
  const parts = PARTS.filter((part) => isWholly.test(part))
  const isNamed = ({ name, title }) => parts.includes('load') || named.test(name) || named.test(title)
  const chosen = loads.filter(isNamed)
  const references = new Set(chosen.flatMap(({ name }) => referencesOf(name)))
  const isWanted = (each) => isNamed(each) || references.has(each.name)
  const [limits, peers] = [LIMITS.filter(isWanted), PEERS.filter(isWanted)]
  if (chosen.length + limits.length + peers.length > 0 && !parts.includes('load')) parts.push('load')
  if (parts.length === 0) throw new Error(`--only means nothing of the bench: ${only}\n${USAGE}`)
  return { loads: chosen, limits, peers, isSelected: (part) => parts.includes(part) }
}

function patternOf(text) {
  try {
    return new RegExp(text, 'i')
  } catch {
    throw new Error(`--only must be regular expressions, not ${text}.\n${USAGE}`)
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
