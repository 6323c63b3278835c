// Runs a script under the packaged Node, whatever this one is: `node scripts/packaged.mjs SCRIPT …`. A shell
// would not do: in a fresh clone it looks for `node` before the packages are there, and remembers.
import { ready } from './ready.mjs'
import { spawnNode } from './wrangler.mjs'

const ORPHAN_POLL_MS = 250

ready()
const script = spawnNode(process.argv.slice(2), { stdio: 'inherit' })
script.once('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => script.kill(signal))
// npm starts us through a shell that dies of a signal without passing it on; our parent changes then.
const parent = process.ppid
const endAsOrphan = () => process.ppid !== parent && script.kill('SIGTERM')
if (process.env.npm_lifecycle_event) setInterval(endAsOrphan, ORPHAN_POLL_MS).unref()
