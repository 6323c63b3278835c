// What `npm run import` prints at its end.
import { EXIT, faultLine } from './calls.mjs'
import { patchLine, repairLine } from './import-options.mjs'

/** Prints how an import ended and what is left to do; returns the exit code. */
export async function printResult(service, wanted, job, data) {
  const { kind, failedPath } = wanted
  const { total, created, duplicate, failed } = countsOf(kind, data)
  const left = total - created - duplicate - failed
  const facts = [`${amount(created, kind)} created`]
  if (duplicate > 0) facts.push(amount(duplicate, 'duplicates'))
  facts.push(`${amount(failed, 'rows')} failed`)
  if (left > 0) facts.push(`${left} not done`)
  console.log(`Import ${job} is ${data.status}: ${facts.join(', ')}.`)
  if (left > 0 || failed > 0) await printActivation(service, wanted, job)
  if (failed > 0) {
    const name = await service.keepFailed(job, failedPath)
    console.log(`The failed rows are in ${name}. Correct them, then run:`)
    printCommand(wanted, repairLine(wanted, job, name))
  }
  return data.status === 'completed' && failed === 0 ? EXIT.done : EXIT.failed
}

/** The service says which call activates a batch that stayed inactive. */
async function printActivation(service, wanted, job) {
  const { message } = await service.json('GET', `${service.paths.status(job)}?rows=failed&limit=1`)
  const [, path] = /PATCH (\S+)$/.exec(message) ?? []
  if (path === undefined) return
  console.log(`The ${wanted.kind} that were created are not active yet. To activate them as they are:`)
  printCommand(wanted, patchLine(wanted, path))
}

/** A printed command reads the key from where this one did, except from an option. */
function printCommand({ keyFrom }, line) {
  if (keyFrom.needsVariable) console.log('  # first set the environment variable DOCTORDAY_KEY to your key')
  console.log(`  ${line}`)
}

/** Prints what the import would do; exit code 0 if no row would fail: a known medical test is no failure. */
export function printDryRun({ create, duplicate, invalid, total, faults, ...notes }, { kind }) {
  const bad = [
    duplicate === 1 ? '1 is a duplicate' : `${duplicate} are duplicates`,
    invalid === 1 ? '1 breaks a rule' : `${invalid} break a rule`,
  ]
  const of = `Of ${amount(total, 'rows')} ${create} would be created`
  console.log([`${[of, ...bad].join(', ')}.`, ...notesOf(notes), ...faults.map(faultLine)].join('\n'))
  const done = kind === 'tests' ? create + duplicate : create
  return done === total ? EXIT.done : EXIT.failed
}

/** What the service says about the columns of the file. */
export function notesOf({ separator, ignored_columns = [], warnings = [] }) {
  const name = separator === '\t' ? 'a tab' : separator
  return [
    ...(separator === undefined ? [] : [`The separator of the file is ${name}.`]),
    ...(ignored_columns.length === 0 ? [] : [`Ignored columns: ${ignored_columns.join(', ')}.`]),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ]
}

/** The names of the counts contain the kind. Only some kinds count duplicates, as processed rows. */
export function countsOf(kind, data) {
  const duplicate = data[`duplicate_${kind}`] ?? 0
  return {
    total: data[`total_${kind}`],
    created: data[`processed_${kind}`] - duplicate,
    duplicate,
    failed: data[`failed_${kind}`],
  }
}

/** `3 rows`, `1 row`. */
export const amount = (count, plural) => `${count} ${count === 1 ? plural.slice(0, -1) : plural}`
