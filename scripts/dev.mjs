// `wrangler dev` on a state folder that it has to itself: `node scripts/dev.mjs STATE_DIR ARGS…`. Needs the
// packaged Node; `startWorker` in worker.mjs starts it.
import { lock } from './lock.mjs'
import { spawnWrangler } from './wrangler.mjs'

const [stateDir, ...args] = process.argv.slice(2)
if (!lock(stateDir)) {
  console.error(`Another service uses ${stateDir}.`)
  process.exit(1)
}
// A signal goes to the whole process group. This process ends after wrangler, whose state it keeps locked.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
const wrangler = spawnWrangler(args, { stdio: 'inherit' })
wrangler.once('exit', (code) => process.exit(code ?? 1))
