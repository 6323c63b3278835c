import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/root.mjs'
import { plot } from './plot.mjs'
import { tables } from './tables.mjs'

const KEPT = join(ROOT, 'bench')
const APART = join(ROOT, '.wrangler', 'bench-results')

/** Written by hand: earlier attempts, which no run can measure. */
const TRIED = join(KEPT, 'tried.md')

/** Prints the results, and writes them as tables, as JSON and as a plot. */
export function saveResults(results, { isWhole }) {
  const folder = isWhole ? KEPT : APART
  const shown = tables(results).map(markdown).join('\n\n')
  const head = headOf(results)
  console.log(`${head}\n\n${shown}\n`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(join(folder, 'results.svg'), plot(results))
  const plotted = '![Requests per second, and the cost of one request](results.svg)'
  const tried = readFileSync(TRIED, 'utf8').trim()
  writeFileSync(join(folder, 'RESULTS.md'), `# Results\n\n${[head, plotted, shown, tried].join('\n\n')}\n`)
  console.log(`In ${folder}: RESULTS.md, results.json, results.svg`)
}

function headOf({ machine, settings, tookSeconds }) {
  const { date, processor, memory, system, node, commit } = machine
  const how = settings.isSmoke
    ? 'A smoke run: its counts are valid, its times mean nothing.'
    : `${settings.rounds} rotating rounds of ${settings.seconds} s at each concurrency.`
  return `Written by \`npm run bench\` on ${date} at ${commit}, in ${Math.ceil(tookSeconds / 60)} minutes, on
${processor}, ${memory}, ${system}, Node ${node}, which the load generator shares. ${how}`
}

/** Columns are as wide as their widest cell, so that a terminal shows them as well as a browser. */
function markdown({ title, note, head, rows }) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column].length)))
  const line = (cells) => `| ${cells.map((cell, n) => aligned(cell, n, widths[n])).join(' | ')} |`
  const rule = widths.map((width, n) => (n === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const table = [head, rule, ...rows].map(line).join('\n')
  return [`## ${title}`, ...(note ? [note] : []), table].join('\n\n')
}

const aligned = (cell, column, width) => (column === 0 ? cell.padEnd(width) : cell.padStart(width))
