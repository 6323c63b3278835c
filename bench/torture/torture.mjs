// `npm run torture`: whatever this Node is, the rack itself runs under the packaged one.
import { join } from 'node:path'
import { ready } from '../../scripts/ready.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { spawnNode } from '../../scripts/wrangler.mjs'

const ORPHAN_POLL_MS = 250

ready()
const rack = spawnNode([join(ROOT, 'bench', 'torture', 'main.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
rack.once('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => rack.kill(signal))
// npm starts us through a shell that dies of a signal without passing it on; our parent changes then.
const parent = process.ppid
const endAsOrphan = () => process.ppid !== parent && rack.kill('SIGTERM')
if (process.env.npm_lifecycle_event) setInterval(endAsOrphan, ORPHAN_POLL_MS).unref()
