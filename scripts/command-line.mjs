// The command line of a script: `--help` prints its usage, and an option that it does not know ends it.
import util from 'node:util'
import { fail, requireNode } from './ready.mjs'

const HELP = { help: { type: 'boolean', short: 'h' } }

/** The values of the options, by their names. `options` as in Node's parseArgs; none: the script takes none. */
export function readOptions(usage, options = {}) {
  // An older Node has no parseArgs.
  requireNode()
  const { help, ...values } = parsed(usage, { ...options, ...HELP }).values
  if (!help) return values
  console.log(usage)
  return process.exit(0)
}

/** The words of a command line that must have `count` of them, and the values of its options. */
export function readPositionals(usage, count, options = {}) {
  requireNode()
  const { values, positionals } = parsed(usage, { ...options, ...HELP }, true)
  if (values.help) {
    console.log(usage)
    return process.exit(0)
  }
  if (positionals.length !== count) return fail(usage)
  return [positionals, values]
}

function parsed(usage, options, allowPositionals = false) {
  try {
    return util.parseArgs({ options, allowPositionals })
  } catch (error) {
    return fail(`${error.message}\n\n${usage}`)
  }
}
