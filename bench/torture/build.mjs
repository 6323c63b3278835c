import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { experimental_readRawConfig as readRawConfig } from 'wrangler'
import { ROOT } from '../../scripts/root.mjs'
import { buildServer } from '../../scripts/server/build.mjs'

const ENTRY = join('bench', 'torture', 'worker', 'index.ts')
const BUILDS = join(ROOT, '.wrangler')

/**
 * A new folder for one build, so that runs side by side do not overwrite each other's source or bundle. It is
 * inside ROOT, so that imports find the packages of ROOT. The run deletes it.
 */
export function newBuildFolder() {
  mkdirSync(BUILDS, { recursive: true })
  return mkdtempSync(join(BUILDS, 'torture-'))
}

/**
 * The torture build: the service as it is, or a copy of its source with one planted bug. Returns the folder that
 * `serveWorker` runs.
 */
export async function build(folder, planted) {
  const source = planted ? plantedSource(folder, planted) : ROOT
  const config = relative(ROOT, writeConfig(folder, source))
  return await buildServer(join(basename(folder), 'server'), { config })
}

/** wrangler.toml with the torture entry, so that bindings, limits and migrations are always the service's. */
function writeConfig(folder, source) {
  const { rawConfig } = readRawConfig({ config: join(ROOT, 'wrangler.toml') })
  const { alias, assets, d1_databases, vars, build: _, ...config } = rawConfig
  const at = (path) => join(ROOT, path)
  const written = {
    ...config,
    main: join(source, ENTRY),
    alias: Object.fromEntries(Object.entries(alias).map(([from, to]) => [from, at(to)])),
    assets: { ...assets, directory: at(assets.directory) },
    d1_databases: d1_databases.map((database) => ({
      ...database,
      migrations_dir: at(database.migrations_dir),
    })),
    vars: { ...vars, TORTURE_SEED: '0', TORTURE_FAULTS: 'off' },
  }
  const file = join(folder, 'wrangler.json')
  writeFileSync(file, JSON.stringify(written, null, 2))
  return file
}

function plantedSource(folder, planted) {
  const source = join(folder, 'source')
  for (const path of ['src', join('bench', 'torture', 'worker')])
    cpSync(join(ROOT, path), join(source, path), { recursive: true })
  for (const [path, text] of patchedFiles(planted)) writeFileSync(join(source, path), text)
  return source
}

/** The files with the planted bug. Throws if the source has changed and an edit no longer fits. */
export function patchedFiles({ name, edits }) {
  const texts = new Map()
  for (const [path, right, wrong] of edits) {
    const parts = (texts.get(path) ?? readFileSync(join(ROOT, path), 'utf8')).split(right)
    if (parts.length !== 2)
      throw new Error(`Planted bug ${name}: ${path} contains ${parts.length - 1} times: ${right}`)
    texts.set(path, parts.join(wrong))
  }
  return texts
}
