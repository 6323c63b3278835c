// Turns a process into workerd, which serves a build on a state folder. Needs the packaged Node.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { rangesIn } from '../../src/server/ranges.ts'
import { forgetErased } from '../erased.mjs'
import { becomeHolder, lock } from '../lock.mjs'
import { fail } from '../ready.mjs'
import { ASSETS, FOLDERS, KV_FOLDER, SOCKET } from './config.mjs'

/** The workerd of `wrangler dev`, so that both read the same state in the same way. */
const { default: WORKERD } = createRequire(import.meta.resolve('wrangler'))('workerd')

/** Does not return: what an operator's machine runs then is one process. `state` and `build` are folders. */
export function becomeWorkerd({ build, state, host, port }) {
  requireRanges(process.env.TRUSTED_PROXIES ?? '')
  if (!lock(state)) fail(`Another service uses ${state}.`)
  const at = (name) => join(state, FOLDERS[name])
  for (const name of Object.keys(FOLDERS)) mkdirSync(at(name), { recursive: true, mode: 0o700 })
  removeOldReplies(at('kv-files'))
  withoutErased(state)
  becomeHolder(state, environmentOf(build), [
    WORKERD,
    'serve',
    join(build, 'config.capnp'),
    `--socket-addr=${SOCKET}=${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`,
    `--directory-path=${ASSETS}=${join(build, 'assets')}`,
    ...Object.keys(FOLDERS).map((name) => `--directory-path=${name}=${at(name)}`),
  ])
}

/** A start does not fail for it: the next one tries again. */
function withoutErased(state) {
  try {
    forgetErased(state)
  } catch (error) {
    console.error(`Bytes of erased patients may still be in files of the state: ${error.message}`)
  }
}

/** The environment overrides the settings of the build, and has the secret. */
function environmentOf(build) {
  const settings = JSON.parse(readFileSync(join(build, 'settings.json'), 'utf8'))
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, process.env[name] ?? value]),
  )
}

function requireRanges(text) {
  try {
    rangesIn(text)
  } catch (error) {
    fail(`TRUSTED_PROXIES must be addresses and ranges, like 127.0.0.1,10.0.0.0/8: ${error.message}.`)
  }
}

/**
 * What Cloudflare's simulator of KV has kept. It only spares work, and here nothing would ever read it, or delete
 * what has expired.
 */
function removeOldReplies(folder) {
  for (const name of readdirSync(folder))
    if (name !== KV_FOLDER) rmSync(join(folder, name), { recursive: true, force: true })
}
