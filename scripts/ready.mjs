// Makes a fresh clone able to run: packages, the documentation pages' files, and a key for the demo clinic.
// Until the packages are there this file has only what Node brings along.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { copyAssets } from './assets.mjs'
import { newKey, partsOf } from './keys.mjs'
import { isMain, ROOT } from './root.mjs'

const NODE_MODULES = join(ROOT, 'node_modules')
const DEV_VARS = join(ROOT, '.dev.vars')
const DEMO_KEY_LINE = /^DEMO_API_KEY\s*=\s*["']?([^"'\s#]*)["']?/m
const NODE_MAJOR_MIN = 20

/** Returns the key of the demo clinic. */
export function ready() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < NODE_MAJOR_MIN) fail(`This needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}.`)
  if (!isInstalled()) install()
  copyAssets()
  return demoKey()
}

export function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}

/**
 * Whether node_modules holds what package-lock.json names. npm writes its own record as the last step of an
 * installation, so one that was cut short counts as none.
 */
function isInstalled() {
  // A linked folder belongs to another checkout, which keeps it up to date; installing would empty it there.
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
  // npm empties node_modules first: neither it nor the Node that runs it may come from in there.
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
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ''}; what it printed above says why.`)
}

function demoKey() {
  const found = writtenDemoKey()
  if (found === undefined) return writeDemoKey(devVars())
  if (!partsOf(found)) fail('.dev.vars: DEMO_API_KEY is not a key. Delete the line and a new one is made.')
  return found
}

/** What `npm start` wrote, if it ever did. */
export const writtenDemoKey = () => DEMO_KEY_LINE.exec(devVars())?.[1]

const devVars = () => (existsSync(DEV_VARS) ? readFileSync(DEV_VARS, 'utf8') : '')

function writeDemoKey(text) {
  const key = newKey()
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
  writeFileSync(DEV_VARS, `${before}DEMO_API_KEY=${key}\n`, { mode: 0o600 })
  return key
}

if (isMain(import.meta.url)) ready()
