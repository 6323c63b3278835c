import { parse } from 'node:path'
import { parseArgs } from 'node:util'
import { EXIT, exitError } from './calls.mjs'
import { DEV_VARS, writtenDemoKey } from './ready.mjs'

const USAGE = `npm run import -- FILE [options]
npm run import -- --repair JOB FILE

FILE is CSV, or NDJSON if its name ends with .ndjson or .jsonl.

  --url URL      the service (default: DOCTORDAY_URL, then http://localhost:8787)
  --kind KIND    hospitals (default), patients, or tests (records of medical tests)
  --mode MODE    strict (default): one bad row refuses the file; partial: the good rows are imported
  --dry-run      only report what the import would do
  --failed FILE  where to write the failed rows (default: NAME.failed.csv in the folder of FILE)
  --repair JOB   FILE holds corrected failed rows of that import; only these rows run again
  --again        import the file again, even if it was imported before
  --key KEY      the API key. Better set DOCTORDAY_KEY: other users of this machine can see a command line.
                 For a local service the default is the key of the demo clinic.

Exit codes: 0 every row was imported, 1 rows failed or the file was refused, 2 usage error,
3 the service cannot be reached.`

const URL_USUAL = 'http://localhost:8787'
const LOCAL = ['localhost', '127.0.0.1', '[::1]']
export const KINDS = ['hospitals', 'patients', 'tests']
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

/** The options from the command line and the environment. Throws an exitError for a usage error. */
export function optionsOf(args, env) {
  const { values, positionals } = parsed(args)
  if (values.help) throw exitError(EXIT.done, USAGE)
  const { kind, mode, repair, again, 'dry-run': isDryRun } = values
  if (positionals.length !== 1) throw usage('Give exactly one FILE')
  if (!KINDS.includes(kind)) throw usage(`--kind must be one of ${KINDS.join(', ')}`)
  if (!MODES.includes(mode)) throw usage(`--mode must be one of ${MODES.join(', ')}`)
  if (repair !== undefined && isDryRun) throw usage('--repair and --dry-run exclude each other')
  const [path] = positionals
  const url = urlOf(values.url ?? env.DOCTORDAY_URL ?? URL_USUAL)
  const failedPath = values.failed ?? failedBeside(path)
  const { key, keyFrom } = keyOf(values.key, env, url)
  const isUsualUrl = url.origin === URL_USUAL && !env.DOCTORDAY_URL
  return { path, url, isUsualUrl, kind, mode, repair, again, isDryRun, failedPath, key, keyFrom }
}

function parsed(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // Only Node's first sentence: a second one could repeat a value, which could be a key.
    throw usage(error.message.split('. ')[0])
  }
}

const usage = (sentence) => exitError(EXIT.usage, `${sentence}.\n\n${USAGE}`)

function urlOf(text) {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw usage('--url must be an address like https://…')
  return url
}

export const isLocal = ({ hostname }) => LOCAL.includes(hostname)

/** Where a key comes from: how a sentence names it, and how a pasted shell command reads it. */
const KEY_FROM = {
  option: { where: 'the option --key', value: '$DOCTORDAY_KEY', needsVariable: true },
  variable: { where: 'the environment variable DOCTORDAY_KEY', value: '$DOCTORDAY_KEY' },
  demo: {
    where: `${DEV_VARS}, which has the key of the demo clinic`,
    value: '$DEMO_API_KEY',
    read: `. ${quoted(DEV_VARS)} && `,
  },
}

function keyOf(given, env, url) {
  const source = given !== undefined ? 'option' : env.DOCTORDAY_KEY !== undefined ? 'variable' : 'demo'
  const text = { option: given, variable: env.DOCTORDAY_KEY }[source]
  const key = (source === 'demo' && isLocal(url) ? writtenDemoKey() : text)?.trim()
  if (!key) throw usage('Set the environment variable DOCTORDAY_KEY to your API key')
  if (!/^[\x21-\x7e]+$/.test(key)) throw usage('The API key has characters that no key has; copy it again')
  return { key, keyFrom: KEY_FROM[source] }
}

/** The rows that fail in a repair go to the same name as before, not to `x.failed.failed.csv`. */
function failedBeside(path) {
  const { dir, name } = parse(path)
  return `${dir && `${dir}/`}${name.replace(/\.failed(-\d+)?$/, '')}.failed.csv`
}

/** The command that sends corrected rows of an import: it can be pasted into a shell, and has no key. */
export function repairLine({ kind, url, isUsualUrl }, job, file) {
  const ofKind = kind === 'hospitals' ? [] : ['--kind', kind]
  const there = isUsualUrl ? [] : ['--url', url.origin]
  return ['npm run import --', ...['--repair', job, ...ofKind, ...there, file].map(quoted)].join(' ')
}

/** The command that calls PATCH on a path. The shell reads the key, so that the line does not show it. */
export function patchLine({ url, keyFrom: { read = '', value } }, path) {
  const line = `${read}curl -s -X PATCH -H "Authorization: Bearer ${value}" ${quoted(url.origin + path)}`
  return read ? `(${line})` : line
}

function quoted(arg) {
  return /^[\w./:@=-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", String.raw`'\''`)}'`
}
