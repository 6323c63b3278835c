// The command line of a script: `--help` prints its usage, and an option that it does not know ends it.
import util from 'node:util'
import { fail, requireNode } from './ready.mjs'

/** The values of the options, by their names. `options` as in Node's parseArgs; none: the script takes none. */
export function readOptions(usage, options = {}) {
  // An older Node has no parseArgs.
  requireNode()
  const { help, ...values } = parsed(usage, { ...options, help: { type: 'boolean', short: 'h' } })
  if (!help) return values
  console.log(usage)
  return process.exit(0)
}

function parsed(usage, options) {
  try {
    return util.parseArgs({ options }).values
  } catch (error) {
    return fail(`${error.message}\n\n${usage}`)
  }
}
