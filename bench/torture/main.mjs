// `npm run torture` runs this file under the packaged Node.
import { parseArgs } from 'node:util'
import { fail } from '../../scripts/ready.mjs'
import { build, patchedFiles } from './build.mjs'
import { PLANTED } from './planted.mjs'
import { report } from './report.mjs'
import { run } from './run.mjs'

const USAGE = `npm run torture -- [--seed N] [--minutes N] [--planted N|all] [--list]

  --seed     decides what is done, what fails and when the service is killed (random)
  --minutes  how long the load lasts, without the build before it and the checks after it (1)
  --planted  plants the bug with this number or name; all: plants each bug and shows what caught it
  --list     lists the planted bugs

Exits 0 only if no promise was broken: with one planted bug it must exit 1; with all of them it exits 0 if
each was caught. The same seed gives the same plan: what each client asks as long as it gets the same answers,
which calls fail as long as they come in the same order, after how many requests the service is killed. It
does not decide how fast processes run, so it may take a few runs to find the same fault again.`

const SEED_MAX = 2 ** 31
const MINUTES_MAX = 600

/** A planted run ends with the first broken promise, and at the latest after this time. */
const PLANTED_MINUTES = 1

const { seed, minutes, planted, list } = wanted(process.argv.slice(2))
// Exits through the exit handlers, which end the processes and delete the files of a run.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
await torture().catch((error) => fail(error.stack))

async function torture() {
  // Every run reports a planted bug that no longer fits the source, not only the next planted run.
  for (const bug of PLANTED) patchedFiles(bug)
  if (list) console.log(PLANTED.map(({ name, does }, n) => `${n + 1}  ${name}: ${does}`).join('\n'))
  else if (planted === 'all') await allPlanted()
  else if ((await oneRun(planted)).length > 0) process.exitCode = 1
}

function wanted(args) {
  const { values } = options(args)
  const seed = Number(values.seed ?? Math.floor(Math.random() * SEED_MAX))
  if (!Number.isInteger(seed) || seed < 0 || seed > SEED_MAX)
    fail(`--seed must be a whole number from 0 to ${SEED_MAX}.\n\n${USAGE}`)
  const minutes = Number(values.minutes ?? (values.planted ? PLANTED_MINUTES : 1))
  if (!(minutes > 0 && minutes <= MINUTES_MAX))
    fail(`--minutes must be above 0 and at most ${MINUTES_MAX}.\n\n${USAGE}`)
  const isKnown = ({ name }, n) => name === values.planted || String(n + 1) === values.planted
  const planted = values.planted === 'all' ? 'all' : PLANTED.find(isKnown)
  if (values.planted !== undefined && !planted)
    fail(`--planted must be all, or the number or name of a planted bug.\n\n${USAGE}`)
  return { seed, minutes, planted, list: values.list }
}

function options(args) {
  const text = { type: 'string' }
  try {
    return parseArgs({
      args,
      options: { seed: text, minutes: text, planted: text, list: { type: 'boolean', default: false } },
    })
  } catch (error) {
    return fail(`${error.message}\n\n${USAGE}`)
  }
}

/** Returns the promises that were broken. */
async function oneRun(bug) {
  console.log(`Torture with seed ${seed} for ${minutes} min${bug ? `, planted: ${bug.name}` : ''}`)
  const startedAt = Date.now()
  const ran = await run({
    seed,
    minutes,
    build: (folder) => build(folder, bug),
    stopsWhenBroken: bug !== undefined,
    log: (line) => console.log(`${((Date.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${line}`),
  })
  console.log(report({ ...ran, seed, seconds: (Date.now() - startedAt) / 1_000 }))
  return ran.world.broken
}

async function allPlanted() {
  const lines = []
  for (const [n, bug] of PLANTED.entries()) {
    const broken = await oneRun(bug)
    const checks = [...new Set(broken.map(({ check }) => check))]
    if (checks.length === 0) process.exitCode = 1
    lines.push(`${String(n + 1).padStart(2)}  ${bug.name.padEnd(24)} ${checks.join(' · ') || 'NOT CAUGHT'}`)
  }
  console.log(`\n${lines.join('\n')}`)
}
