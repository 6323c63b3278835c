import { brokenLines } from './world.mjs'

/** What a run did, what struck, and every promise that was broken. */
export function report({ world, kills, struck, seed, seconds }) {
  const operations = Object.entries(world.done).sort(([one], [other]) => one.localeCompare(other))
  const total = operations.reduce((sum, [, answers]) => sum + definite(answers), 0)
  return [
    '',
    `What was done (seed ${seed}, ${seconds.toFixed(0)} s, ${world.requests} requests, ${total} operations)`,
    ...operations.map(([what, answers]) => `  ${what.padEnd(28)} ${listed(answers)}`),
    `What struck: ${kills} kills, ${world.cuts} connections cut`,
    ...Object.entries(struck)
      .sort(([one], [other]) => one.localeCompare(other))
      .map(([fault, count]) => `  ${fault.padEnd(28)} ${count}`),
    ...brokenLines(world),
    world.broken.length === 0
      ? 'No promise was broken.'
      : `${world.broken.length} broken promises; again with: npm run torture -- --seed ${seed}`,
  ].join('\n')
}

const NO_END = ['no answer', 'unavailable', 'moving', 'internal']

const definite = (answers) =>
  Object.entries(answers).reduce((sum, [answer, count]) => (NO_END.includes(answer) ? sum : sum + count), 0)

const listed = (answers) =>
  Object.entries(answers)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([answer, count]) => `${answer} ${count}`)
    .join(' · ')
