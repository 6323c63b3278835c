// Serves a build on a migrated state: `node scripts/server/run.mjs --build … --state … --host … --port …`. Needs the
// packaged Node; `serveWorker` in worker.mjs starts it.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { becomeWorkerd } from './workerd.mjs'

const { values } = parseArgs({
  options: {
    build: { type: 'string' },
    state: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
  },
})

becomeWorkerd({ ...values, build: resolve(values.build), state: resolve(values.state) })
