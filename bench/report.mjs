import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../scripts/root.mjs'
import { plot } from './plot.mjs'
import { tables } from './tables.mjs'

const KEPT = join(ROOT, 'bench')
const APART = join(ROOT, '.wrangler', 'bench-results')

/** What people know of earlier attempts, which no run can tell. */
const TRIED = join(KEPT, 'tried.md')

/** Prints the results, and writes them as tables, as JSON and as a plot. */
export function keep(results, { isWhole }) {
  const folder = isWhole ? KEPT : APART
  const shown = tables(results).map(markdown).join('\n\n')
  const head = headOf(results)
  console.log(`${head}\n\n${shown}\n`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(join(folder, 'results.svg'), plot(results))
  const plotted = '![Requests per second, and what one costs](results.svg)'
  const tried = readFileSync(TRIED, 'utf8').trim()
  writeFileSync(join(folder, 'RESULTS.md'), `# Results\n\n${[head, plotted, shown, tried].join('\n\n')}\n`)
  console.log(`In ${folder}: RESULTS.md, results.json, results.svg`)
}

function headOf({ machine, settings, tookSeconds }) {
  const { date, processor, memory, system, node, commit } = machine
  const how = settings.isSmoke
    ? 'A smoke run: its counts hold, its times mean nothing.'
    : `${settings.rounds} rotating rounds of ${settings.seconds} s at each concurrency.`
  return `Written by \`npm run bench\` on ${date} at ${commit}, in ${Math.ceil(tookSeconds / 60)} minutes, on
${processor}, ${memory}, ${system}, Node ${node}, which the load generator shares. ${how}`
}

/** Columns are as wide as their widest cell, so that a terminal shows them as well as a browser. */
function markdown({ title, note, head, rows }) {
  const widths = head.map((cell, column) =>
    Math.max(...[cell, ...rows.map((row) => row[column])].map(lengthOf)),
  )
  const line = (cells) => `| ${cells.map((cell, column) => padded(cell, column, widths)).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [`## ${title}`, ...(note ? [note] : []), [line(head), rule, ...rows.map(line)].join('\n')].join(
    '\n\n',
  )
}

const lengthOf = (cell) => String(cell).length
const padded = (cell, column, widths) =>
  column === 0 ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column])
