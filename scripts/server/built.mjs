import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMain, ROOT } from '../root.mjs'
import { spawnNode } from '../wrangler.mjs'

/** Everything that a build is made of. */
const MADE_OF = ['src', '.assets', 'scripts/server', 'wrangler.toml', 'package-lock.json']

const FOLDER = join(ROOT, '.wrangler', 'server')
const MARK = join(FOLDER, 'made-of')

/** The folder of the server's build, which is made again only if the source has changed since. */
export async function builtServer() {
  const mark = markOf(MADE_OF.flatMap(filesOf))
  if (existsSync(MARK) && readFileSync(MARK, 'utf8') === mark) return FOLDER
  console.log('Building the server …')
  const build = spawnNode([join(ROOT, 'scripts', 'server', 'build.mjs'), 'server'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(build, 'exit')
  if (code !== 0) throw new Error('The server could not be built; see above.')
  // Written last: a build that was interrupted has none.
  writeFileSync(MARK, mark)
  return FOLDER
}

/** The folder of the last build, whatever the source is now; undefined where there is none. */
export const existingBuild = () => (existsSync(MARK) ? FOLDER : undefined)

function filesOf(path) {
  if (!statSync(join(ROOT, path)).isDirectory()) return [join(ROOT, path)]
  const inside = readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true })
  return inside
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

function markOf(files) {
  const mark = createHash('sha256')
  for (const file of files.sort()) mark.update(`${file}\0`).update(readFileSync(file)).update('\0')
  return mark.digest('hex')
}

// `npm run build:server` builds in any case.
if (isMain(import.meta.url)) {
  rmSync(MARK, { force: true })
  console.log(await builtServer())
}
