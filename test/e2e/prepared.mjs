// What all end-to-end tests start from, made once before the first of them: the server's build, and a database
// with the demo clinic in it, of which each test gets a copy.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare } from '../../scripts/database.mjs'
import { newKey } from '../../scripts/keys.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { secretInside } from '../../scripts/secret.mjs'
import { buildServer } from '../../scripts/server/build.mjs'

const FOLDER = join(ROOT, '.wrangler', 'e2e')
const BUILD = join(FOLDER, 'server')
const STATE = join(FOLDER, 'state')
const KEY = join(FOLDER, 'key')

/** node:test calls this before it starts any test file (`--test-global-setup`). */
export async function globalSetup() {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  const key = newKey(secretInside(STATE))
  writeFileSync(KEY, key, { mode: 0o600 })
  await Promise.all([buildServer(join('e2e', 'server')), prepare(STATE, key)])
}

/** node:test runs each file in a process of its own: they find it where `globalSetup` has left it. */
export const prepared = () => ({
  build: BUILD,
  state: STATE,
  key: readFileSync(KEY, 'utf8'),
})
