// Runs a script with the packaged Node instead of the installed one: `node scripts/packaged.mjs SCRIPT …`.
// A shell cannot do this: in a fresh clone it looks up `node` before the packages exist and caches that.
import { onEnd } from './foreground.mjs'
import { ready } from './ready.mjs'
import { spawnNode } from './wrangler.mjs'

ready()
const script = spawnNode(process.argv.slice(2), { stdio: 'inherit' })
script.once('exit', (code) => process.exit(code ?? 1))
onEnd((signal) => script.kill(signal))
