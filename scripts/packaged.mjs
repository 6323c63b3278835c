// Runs a script under the packaged Node, whatever this one is: `node scripts/packaged.mjs SCRIPT …`. A shell
// would not do: in a fresh clone it looks for `node` before the packages are there, and remembers.
import { onEnd } from './foreground.mjs'
import { ready } from './ready.mjs'
import { spawnNode } from './wrangler.mjs'

ready()
const script = spawnNode(process.argv.slice(2), { stdio: 'inherit' })
script.once('exit', (code) => process.exit(code ?? 1))
onEnd((signal) => script.kill(signal))
