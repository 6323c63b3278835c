import { join } from 'node:path'
import { ROOT } from './root.mjs'
import { runWrangler } from './wrangler.mjs'

/** Bundles a Worker as a deployment would, into a folder of .wrangler, and returns that folder. */
export async function bundle(name, { config = 'wrangler.toml' } = {}) {
  const folder = join(ROOT, '.wrangler', name)
  await runWrangler(['deploy', '--dry-run', '--config', config, '--outdir', folder])
  return folder
}
