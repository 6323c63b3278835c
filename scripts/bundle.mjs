import { join } from 'node:path'
import { ROOT } from './root.mjs'
import { runWrangler } from './wrangler.mjs'

/**
 * Bundles a Worker like a deployment, into a folder of .wrangler, and returns that folder. `entry` replaces
 * the configuration's own `main`.
 */
export async function bundle(name, { config = 'wrangler.toml', entry } = {}) {
  const folder = join(ROOT, '.wrangler', name)
  const what = entry === undefined ? [] : [entry]
  await runWrangler(['deploy', ...what, '--dry-run', '--config', config, '--outdir', folder])
  return folder
}
