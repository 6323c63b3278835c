import { brokenLines } from './world.mjs'

/** The operations of a run, its faults, and every broken promise. */
export function report({ world, kills, faultCounts, seed, seconds }) {
  const operations = Object.entries(world.done).sort(([one], [other]) => one.localeCompare(other))
  const total = operations.reduce((sum, [, answers]) => sum + countDefinite(answers), 0)
  return [
    '',
    `Operations (seed ${seed}, ${seconds.toFixed(0)} s, ${world.requests} requests, ${total} operations)`,
    ...operations.map(([what, answers]) => `  ${what.padEnd(28)} ${listed(answers)}`),
    `Faults: ${kills} kills, ${world.cuts} connections cut`,
    ...Object.entries(faultCounts)
      .sort(([one], [other]) => one.localeCompare(other))
      .map(([fault, count]) => `  ${fault.padEnd(28)} ${count}`),
    ...brokenLines(world),
    world.broken.length === 0
      ? 'No promise was broken.'
      : `${world.broken.length} broken promises; to repeat: npm run torture -- --seed ${seed}`,
  ].join('\n')
}

const UNCLEAR = ['no answer', 'unavailable', 'moving', 'internal']

const countDefinite = (answers) =>
  Object.entries(answers).reduce((sum, [answer, count]) => (UNCLEAR.includes(answer) ? sum : sum + count), 0)

const listed = (answers) =>
  Object.entries(answers)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([answer, count]) => `${answer} ${count}`)
    .join(' · ')
