import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { isMain, ROOT } from '../root.mjs'
import { spawnNode } from '../wrangler.mjs'

/** Everything that a build is made of. */
const MADE_OF = [
  'src',
  '.assets',
  'scripts/bundle.mjs',
  'scripts/server',
  'wrangler.toml',
  'package-lock.json',
]

/** A folder for each build: a service that runs reads its own, whatever is built meanwhile. */
const BUILDS = join(ROOT, '.wrangler', 'servers')

/** The builds that were started last. */
const KEPT = 3

/** The folder of the server's build, which is made unless this source has been built before. */
export async function builtServer() {
  const folder = join(BUILDS, digestOf(MADE_OF.flatMap(filesOf)))
  if (!existsSync(folder)) await build(folder)
  keepNewest(folder)
  return folder
}

/** The code may belong to another user than the one who starts it: then nothing is written. */
function keepNewest(folder) {
  const now = new Date()
  try {
    utimesSync(folder, now, now)
    for (const old of byUse().slice(KEPT)) rmSync(old, { recursive: true, force: true })
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error
  }
}

/** The build that was made or started last, whatever the source is now; undefined where there is none. */
export const existingBuild = () => byUse().at(0)

/** A folder is given its name when it is complete. */
async function build(folder) {
  console.log('Building the server …')
  const name = `building-${process.pid}`
  const build = spawnNode([join(ROOT, 'scripts', 'server', 'build.mjs'), name], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(build, 'exit')
  const made = join(ROOT, '.wrangler', name)
  try {
    if (code !== 0) throw new Error('The server could not be built; see above.')
    mkdirSync(BUILDS, { recursive: true })
    for (const path of [join(ROOT, '.wrangler'), BUILDS, ...pathsIn(made)]) openToRead(path)
    renameSync(made, folder)
  } catch (error) {
    // Another command has built the same meanwhile.
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

/** A build holds no secret, and the user that serves it need not be the one that has made it. */
const openToRead = (path) => chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)

const pathsIn = (folder) => [
  folder,
  ...readdirSync(folder, { recursive: true }).map((name) => join(folder, name)),
]

function byUse() {
  if (!existsSync(BUILDS)) return []
  // Another command may remove one meanwhile.
  const usedAt = (folder) => statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return readdirSync(BUILDS)
    .map((name) => join(BUILDS, name))
    .sort((a, b) => usedAt(b) - usedAt(a))
}

function filesOf(path) {
  if (!statSync(join(ROOT, path)).isDirectory()) return [join(ROOT, path)]
  const inside = readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true })
  return inside
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

function digestOf(files) {
  const digest = createHash('sha256')
  for (const file of files.sort()) digest.update(`${file}\0`).update(readFileSync(file)).update('\0')
  return digest.digest('hex')
}

if (isMain(import.meta.url)) console.log(await builtServer())
