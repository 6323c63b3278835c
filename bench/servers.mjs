import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundle } from '../scripts/bundle.mjs'
import { migrate } from '../scripts/database.mjs'
import { newKey } from '../scripts/keys.mjs'
import { freePort } from '../scripts/port.mjs'
import { ROOT } from '../scripts/root.mjs'
import { serveWorker } from '../scripts/worker.mjs'
import { metered } from './machine.mjs'
import { seed, seedBareRecords } from './seed.mjs'
import { siteOf } from './site.mjs'

const FOLDER = join(ROOT, '.wrangler', 'bench')
const BASE = join(FOLDER, 'base')
const WORKERS = join('bench', 'workers')

/** The service answers here without a key, the bare Workers anywhere. */
const OPEN_PATH = { service: '/health', limit: '/' }

/** What follows an answer is over when the server has used at most this much CPU for this long. */
const QUIET = { micros: 10_000, forMs: 200, withinMs: 30_000 }

/**
 * Days copy to D1 by an alarm, should the copy right after an answer have failed: src/doctor-day/doctor-
 * day.ts.
 */
export const ALARM_AFTER_MS = 5_500

const running = new Set()

// Each server is a process group of its own, and nobody else would end it.
process.on('exit', () => {
  for (const { pid } of running)
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
})

/** A million records are a gigabyte. */
export const removeStates = () => rmSync(FOLDER, { recursive: true, force: true })

/** Bundles, and a migrated database with the clinic in it, from which each server gets a copy. */
export async function prepareServers(doctors) {
  removeStates()
  mkdirSync(FOLDER, { recursive: true })
  const key = newKey()
  const [service, counted] = await Promise.all([
    bundle('bench-service'),
    bundle('bench-counted', { entry: join(WORKERS, 'counted', 'index.ts') }),
    migrate(BASE).then(() => seed(BASE, key, doctors)),
  ])
  return { bundles: { service, counted }, key, doctors }
}

/** The service on a state of its own. `fillState` may put more into it before it starts. */
export async function startService(
  { bundles, key, doctors },
  name,
  { bundle = bundles.service, fillState, settings } = {},
) {
  const stateDir = copyOfBase(name)
  fillState?.(stateDir)
  const server = await start({ name, stateDir, bundle, settings, path: OPEN_PATH.service })
  return { ...server, site: siteOf({ url: server.url, key, doctors }) }
}

/**
 * A bare Worker, on disk like the service. It needs nothing to speak to but its address. `config`: the folder
 * of its wrangler.toml.
 */
export async function startLimit(worker, { name = worker, config = '.' } = {}) {
  const stateDir = copyOfBase(name)
  seedBareRecords(stateDir)
  const options = { bundle: join(ROOT, WORKERS, worker), config: join(WORKERS, config, 'wrangler.toml') }
  const server = await start({ name, stateDir, ...options, path: OPEN_PATH.limit })
  return { ...server, site: { url: server.url } }
}

function copyOfBase(name) {
  const stateDir = join(FOLDER, name)
  cpSync(BASE, stateDir, { recursive: true })
  return stateDir
}

/** `again` starts another process on the same state, once this one has stopped, and waits for nothing. */
async function start({ name, path, ...wanted }) {
  const server = await spawn(wanted)
  await server.answers(path)
  const meter = metered(server.pid)
  const { url, stop } = server
  return { name, url, meter, settled: () => settled(meter), stop, again: () => spawn(wanted) }
}

async function spawn(wanted) {
  const worker = serveWorker({ port: await freePort(), ...wanted })
  running.add(worker)
  const stop = () => worker.stop().finally(() => running.delete(worker))
  return { ...worker, stop }
}

/**
 * Waits until nothing is left of what followed the answers. Where CPU is not measured: for as long as one
 * look.
 */
async function settled({ cpuMicros }) {
  for (let waitedMs = 0; waitedMs < QUIET.withinMs; waitedMs += QUIET.forMs) {
    const before = cpuMicros()
    await sleep(QUIET.forMs)
    if (before === null || cpuMicros() - before <= QUIET.micros) return
  }
}
