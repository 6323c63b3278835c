import { parse } from 'node:path'
import { parseArgs } from 'node:util'
import { EXIT, ending } from './calls.mjs'
import { writtenDemoKey } from './ready.mjs'

const USAGE = `npm run import -- FILE [options]
npm run import -- --repair JOB FILE

  --url URL      the service (DOCTORDAY_URL, or http://localhost:8787)
  --kind KIND    hospitals (the usual) or patients
  --mode MODE    strict (the usual): a bad row refuses the file; partial: the good rows are taken
  --dry-run      only tell what the import would do
  --failed FILE  where to write the rows that failed (beside FILE, as NAME.failed.csv)
  --repair JOB   FILE holds failed rows of that import, corrected; they alone run again
  --again        import the file anew, though it was imported before
  --key KEY      better in DOCTORDAY_KEY: others on this machine can see a command line.
                 For a local service the key of the demo clinic is found by itself.

Exits with 0 when every row is there, 1 when rows failed or the file was refused, 2 when the command is
not right, 3 when the service cannot be reached.`

const URL_USUAL = 'http://localhost:8787'
const LOCAL = ['localhost', '127.0.0.1', '[::1]']
const KINDS = ['hospitals', 'patients']
const MODES = ['strict', 'partial']

const OPTIONS = {
  url: { type: 'string' },
  key: { type: 'string' },
  kind: { type: 'string', default: 'hospitals' },
  mode: { type: 'string', default: 'strict' },
  'dry-run': { type: 'boolean', default: false },
  failed: { type: 'string' },
  repair: { type: 'string' },
  again: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
}

/** What the command line and the environment ask for. Throws an ending where they are not right. */
export function optionsOf(args, env) {
  const { values, positionals } = parsed(args)
  if (values.help) throw ending(EXIT.done, USAGE)
  const { kind, mode, repair, again, 'dry-run': isDryRun } = values
  if (positionals.length !== 1) throw usage('Name one file')
  if (!KINDS.includes(kind)) throw usage(`--kind is one of ${KINDS.join(', ')}`)
  if (!MODES.includes(mode)) throw usage(`--mode is one of ${MODES.join(', ')}`)
  if (repair !== undefined && isDryRun) throw usage('--repair cannot be a dry run')
  const [path] = positionals
  const url = urlOf(values.url ?? env.DOCTORDAY_URL ?? URL_USUAL)
  const failedPath = values.failed ?? failedBeside(path)
  return { path, url, kind, mode, repair, again, isDryRun, failedPath, key: keyOf(values.key, env, url) }
}

function parsed(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // A second sentence of Node's could repeat a value, which could be a key.
    throw usage(error.message.split('. ')[0])
  }
}

const usage = (sentence) => ending(EXIT.usage, `${sentence}.\n\n${USAGE}`)

function urlOf(text) {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw usage('--url is an address like https://…')
  return url
}

export const isLocal = ({ hostname }) => LOCAL.includes(hostname)

function keyOf(given, env, url) {
  const key = (given ?? env.DOCTORDAY_KEY ?? (isLocal(url) ? writtenDemoKey() : undefined))?.trim()
  if (!key) throw usage('Put your API key into the environment variable DOCTORDAY_KEY')
  if (!/^[\x21-\x7e]+$/.test(key)) throw usage('The API key holds characters that no key has')
  return key
}

/** What failed of a repair stands beside what failed before, not beside `x.failed.failed.csv`. */
function failedBeside(path) {
  const { dir, name } = parse(path)
  return `${dir && `${dir}/`}${name.replace(/\.failed(-\d+)?$/, '')}.failed.csv`
}

/** The command that goes on watching, or repairs: without the key, and fit for pasting. */
export const commandLine = (...args) => ['npm run import --', ...args.map(quoted)].join(' ')

const quoted = (arg) => (/^[\w./:@=-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", String.raw`'\''`)}'`)
