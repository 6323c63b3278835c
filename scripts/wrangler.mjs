import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { privately } from './private.mjs'
import { ROOT } from './root.mjs'

const BIN = join(ROOT, 'node_modules', '.bin')
const WRANGLER = join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js')

/** wrangler needs a newer Node than Doctorday; it comes as a package, so that no user has to install it. */
const PACKAGED_NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node')

/** The first two stop wrangler from calling Cloudflare, which a local run does not need. */
const ENVIRONMENT = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
}

export const spawnWrangler = (args, options) => spawnNode([WRANGLER, ...args], options)

/** Runs a script with the packaged Node and the packages' commands on its path. */
export function spawnNode(args, { env = process.env, ...options }) {
  const node = existsSync(PACKAGED_NODE) ? PACKAGED_NODE : process.execPath
  const path = `${BIN}${delimiter}${env.PATH}`
  return spawn(node, args, { cwd: ROOT, env: { ...env, ...ENVIRONMENT, PATH: path }, ...options })
}

/** Runs wrangler to its end and returns its stdout. A failure throws an error with all its output. */
export function runWrangler(args) {
  const child = privately(() => spawnWrangler(args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  const [out, all] = [[], []]
  child.stdout.on('data', (chunk) => {
    out.push(chunk)
    all.push(chunk)
  })
  child.stderr.on('data', (chunk) => all.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString())
      else reject(new Error(`wrangler ${args.slice(0, 3).join(' ')} failed:\n${Buffer.concat(all)}`))
    })
  })
}
