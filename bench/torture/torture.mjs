// `npm run torture`: whatever this Node is, the rack itself runs under the packaged one.
import { join } from 'node:path'
import { ready } from '../../scripts/ready.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { spawnNode } from '../../scripts/wrangler.mjs'

ready()
const rack = spawnNode([join(ROOT, 'bench', 'torture', 'main.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
rack.once('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => rack.kill(signal))
