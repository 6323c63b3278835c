// Runs the statements of standard input on the D1 database of a local state, in one transaction:
// `node scripts/local-execute.mjs STATE_DIR`. A command line has a limited length, and every user of the machine
// can read it. Needs the packaged Node; database.mjs starts it.
import { readFileSync } from 'node:fs'
import { writeLocal } from './local-database.mjs'

const [stateDir] = process.argv.slice(2)
const STANDARD_INPUT = 0

writeLocal(stateDir, (database) => {
  database.exec('BEGIN IMMEDIATE')
  database.exec(readFileSync(STANDARD_INPUT, 'utf8'))
  database.exec('COMMIT')
})
