// Commands that the documentation names and .ci/run runs. To run them again here would take minutes each.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readOptions } from '../../bench/options.mjs'
import { ROOT } from '../../scripts/root.mjs'

const run = promisify(execFile)
const read = (file) => readFileSync(join(ROOT, file), 'utf8')

const LEFT_TO_CI = /^npm (?:run )?(test|check|e2e|bench|torture)\b(?: -- ([^#]*))?/

export const isLeftToCi = (text) => LEFT_TO_CI.test(text)

/** How a command checks its options without doing its work. Throws what is wrong with them. */
const DRY_RUNS = {
  bench: (args) => withArguments(args, readOptions),
  torture: (args) => run(process.execPath, ['bench/torture/main.mjs', ...args, '--list'], { cwd: ROOT }),
}

function withArguments(args, read) {
  const own = process.argv
  process.argv = [...own.slice(0, 2), ...args]
  try {
    read()
  } finally {
    process.argv = own
  }
}

/** Null where CI runs the command, or where a longer run than CI's is one that its script would accept. */
export async function troubleOfCi({ where, text }) {
  const [, script, options = ''] = LEFT_TO_CI.exec(text)
  const command = text.replace(/ +#.*/, '')
  if (isRunByCi(command)) return null
  if (!DRY_RUNS[script]) return `${where}: .ci/run does not run it\n\n${command}`
  try {
    await DRY_RUNS[script](options.trim().split(/\s+/))
    return null
  } catch (error) {
    return `${where}: its options are refused\n\n${command}\n\n${error.stderr ?? error.message}`
  }
}

/** .ci/run runs `npm run check`, and scripts/check.mjs lists the commands of that. */
function isRunByCi(command) {
  if (command === 'npm run check')
    return read('.ci/run')
      .split('\n')
      .some((line) => line.startsWith(command))
  return [`'${command}`, `\`${command}`].some((quoted) => read('scripts/check.mjs').includes(quoted))
}
