// Prepares a fresh clone: packages and the files of the documentation pages. Makes the key of the demo clinic.
// Before the packages exist, this file can use only Node's own modules.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { copyAssets } from './assets.mjs'
import { isOf, newKey, partsOf } from './keys.mjs'
import { isMain, ROOT } from './root.mjs'

const NODE_MODULES = join(ROOT, 'node_modules')
/** The file that `npm start` writes the demo clinic's key to. */
export const DEV_VARS = join(ROOT, '.dev.vars')
const DEMO_KEY_LINE = /^DEMO_API_KEY\s*=\s*["']?([^"'\s#]*)["']?/m
const NODE_MAJOR_MIN = 20

export function ready() {
  requireNode()
  if (!isInstalled()) install()
  copyAssets()
}

export function requireNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < NODE_MAJOR_MIN)
    fail(`Doctorday needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}.`)
}

export function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}

/**
 * Whether node_modules has all packages of package-lock.json. npm writes its own record as the last step
 * of an installation, so an interrupted installation has none.
 */
function isInstalled() {
  // A linked folder belongs to another checkout, which updates it; an installation here would empty it there.
  if (lstatSync(NODE_MODULES, { throwIfNoEntry: false })?.isSymbolicLink()) return true
  const record = join(NODE_MODULES, '.package-lock.json')
  if (!existsSync(record)) return false
  const installed = packagesOf(record)
  return Object.entries(packagesOf(join(ROOT, 'package-lock.json'))).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  )
}

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages

function install() {
  console.log('Installing packages (npm ci), about half a minute …')
  // npm empties node_modules first, so npm itself and its Node must come from elsewhere.
  const bin = join(NODE_MODULES, '.bin')
  const paths = (process.env.PATH ?? '').split(delimiter).filter((path) => resolve(path) !== bin)
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: ROOT,
      env: { ...process.env, PATH: paths.join(delimiter) },
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    },
  )
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ''}; see its output above.`)
}

/** The key of the demo clinic in .dev.vars: the one there, unless another secret has signed it, or a new one. */
export function demoKey(secret) {
  const found = writtenDemoKey()
  if (found !== undefined && !partsOf(found))
    fail('.dev.vars: DEMO_API_KEY is not a key. Delete the line, and the next start makes a new key.')
  return found !== undefined && isOf(secret, found) ? found : writeDemoKey(newKey(secret))
}

/** The key that `npm start` wrote, if it has run. */
export const writtenDemoKey = () => DEMO_KEY_LINE.exec(devVars())?.[1]

const devVars = () => (existsSync(DEV_VARS) ? readFileSync(DEV_VARS, 'utf8') : '')

function writeDemoKey(key) {
  const others = devVars()
    .split('\n')
    .filter((line) => line !== '' && !DEMO_KEY_LINE.test(line))
  const text = [...others, `DEMO_API_KEY=${key}`, ''].join('\n')
  writeFileSync(DEV_VARS, text, { mode: 0o600 })
  return key
}

if (isMain(import.meta.url)) ready()
