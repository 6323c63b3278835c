// `npm run check`: everything that must hold before a change lands. `.ci/run` does the same on a clean clone.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { readOptions } from './command-line.mjs'
import { ready } from './ready.mjs'
import { ROOT } from './root.mjs'
import { ALL_ROUNDS } from './rounds.mjs'

const USAGE = `npm run check -- [--full] [--report FILE] [--install-seconds S]

  --full             the long loops of the tests make all their rounds (docs/testing.md)
  --report           an empty file that gets vitest's JSON report
  --install-seconds  what the installation took, to be told with the other steps`

const OPTIONS = {
  full: { type: 'boolean', default: false },
  report: { type: 'string' },
  'install-seconds': { type: 'string' },
}

/**
 * The steps, in this order. The commands of one step run side by side: they assert no time, so a busy machine does
 * not change what they find.
 */
const stepsOf = (report) => [
  ['npm run types:check', 'npm run lint:ci', 'npm run typecheck', 'npm run openapi:check', 'npm run build'],
  [`npm test -- --reporter=default --reporter=json --outputFile.json="${report}"`],
  ['npm run e2e', 'npm run bench -- --smoke'],
  // Alone, because what it finds depends on how many requests its time is enough for.
  ['npm run torture -- --seed 20260811 --minutes 0.3'],
]

const FILES_TOLD = 10

async function check() {
  const options = readOptions(USAGE, OPTIONS)
  ready()
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-check-'))
  const report = options.report ?? join(folder, 'report.json')
  const took = [['npm ci', options['install-seconds']]].filter(([, seconds]) => seconds !== undefined)
  try {
    for (const step of stepsOf(report)) {
      const status = await run(step, { env: options.full ? ALL_ROUNDS : {}, took })
      if (status !== 0) return status
    }
    return 0
  } finally {
    console.log(`\n${[...stepLines(took), ...fileLines(report)].join('\n')}\n`)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Returns the first status that is not 0. A command that has others beside it is shown when it has ended. */
async function run(commands, { env, took }) {
  const statuses = await Promise.all(
    commands.map(async (command) => {
      const startedAt = Date.now()
      const status = await end(command, { env, isAlone: commands.length === 1 })
      took.push([command.replace(/ --reporter.*/, ''), (Date.now() - startedAt) / 1_000])
      return status
    }),
  )
  return statuses.find((status) => status !== 0) ?? 0
}

function end(command, { env, isAlone }) {
  const child = spawn(command, {
    shell: true,
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', ...(isAlone ? ['inherit', 'inherit'] : ['pipe', 'pipe'])],
  })
  const printed = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => printed.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (!isAlone) process.stdout.write(Buffer.concat(printed))
      resolve(code ?? 1)
    })
  })
}

const line = (seconds, what) => `${Number(seconds).toFixed(0).padStart(5)} s  ${what}`

const stepLines = (took) => ['Seconds per step:', ...took.map(([command, seconds]) => line(seconds, command))]

/** The slowest of the test files, without the time that loading them took. */
function fileLines(report) {
  const files = testResultsOf(report).map(({ name, startTime, endTime }) => ({
    name: relative(ROOT, name),
    seconds: (endTime - startTime) / 1_000,
  }))
  const slowest = files.toSorted((one, other) => other.seconds - one.seconds).slice(0, FILES_TOLD)
  return ['The slowest test files:', ...slowest.map(({ name, seconds }) => line(seconds, name))]
}

/** None where the tests did not come to their end. */
function testResultsOf(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8')).testResults
  } catch {
    return []
  }
}

process.exitCode = await check()
