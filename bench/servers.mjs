import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrate } from '../scripts/database.mjs'
import { newKey } from '../scripts/keys.mjs'
import { freePort } from '../scripts/port.mjs'
import { ROOT } from '../scripts/root.mjs'
import { secretInside } from '../scripts/secret.mjs'
import { buildServer } from '../scripts/server/build.mjs'
import { serveWorker } from '../scripts/worker.mjs'
import { writeCountedEntry } from './counted.mjs'
import { metered } from './machine.mjs'
import { seed, seedBareRecords } from './seed.mjs'
import { bareSite, siteOf } from './site.mjs'

const FOLDER = join(ROOT, '.wrangler', 'bench')
const BASE = join(FOLDER, 'base')
const WORKERS = join('bench', 'workers')

/** The service answers this path without a key; the bare Workers answer every path. */
const OPEN_PATH = { service: '/health', limit: '/' }

/** Work after an answer counts as over when the server has used at most this much CPU for this long. */
const QUIET = { micros: 10_000, forMs: 200, withinMs: 30_000 }

/** A day's alarm repeats its copy to D1, in case the copy after the answer failed (src/doctor-day). */
export const ALARM_AFTER_MS = 5_500

const running = new Set()

// Each server is a process group of its own, which does not end with this process.
process.on('exit', () => {
  for (const { pid } of running)
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The process has already ended.
    }
})

/** A database of a million records has a gigabyte. */
export const removeStates = () => rmSync(FOLDER, { recursive: true, force: true })

/** Bundles the Workers and fills a migrated database, of which each server gets a copy. */
export async function prepareServers({ doctors, clinics }) {
  removeStates()
  mkdirSync(FOLDER, { recursive: true })
  const secret = secretInside(BASE)
  const key = newKey(secret)
  const keys = Array.from({ length: clinics.count }, () => newKey(secret))
  const [service, counted] = await Promise.all([
    buildServer('bench-service'),
    writeCountedEntry().then((entry) => buildServer('bench-counted', { entry })),
    migrate(BASE).then(() => seed(BASE, { key, doctors, keys, clinics })),
  ])
  return { builds: { service, counted }, key, doctors, keys, clinics }
}

/** The service on a state of its own. `fillState` may add records before the service starts. */
export async function startService(prepared, name, { build, fillState, settings } = {}) {
  const { builds, ...seeded } = prepared
  const stateDir = copyOfBase(name)
  fillState?.(stateDir)
  const wanted = { name, stateDir, build: build ?? builds.service, settings, path: OPEN_PATH.service }
  const server = await start(wanted)
  return { ...server, site: siteOf({ url: server.url, ...seeded }) }
}

/** A bare Worker, on disk like the service. `config`: the folder of its wrangler.toml. */
export async function startLimit(worker, { name = worker, config = '.' } = {}) {
  const stateDir = copyOfBase(name)
  seedBareRecords(stateDir)
  const source = join(ROOT, WORKERS, worker)
  const build = await buildServer(`bench-${name}`, { source, config: join(WORKERS, config, 'wrangler.toml') })
  const server = await start({ name, stateDir, build, path: OPEN_PATH.limit })
  return { ...server, site: bareSite(server.url) }
}

function copyOfBase(name) {
  const stateDir = join(FOLDER, name)
  cpSync(BASE, stateDir, { recursive: true })
  return stateDir
}

/** `restart` starts another process on the same state after this one has stopped, without waiting for it. */
async function start({ name, path, ...wanted }) {
  const server = await spawn(wanted)
  await server.answers(path)
  const meter = metered(server.pid)
  const { url, stop } = server
  return { name, url, meter, settled: () => settled(meter), stop, restart: () => spawn(wanted) }
}

async function spawn(wanted) {
  return kept(serveWorker({ port: await freePort(), ...wanted }))
}

/** Ends the process group of a server with this process, unless it was stopped before. */
export function kept(server) {
  running.add(server)
  const stop = () => server.stop().finally(() => running.delete(server))
  return { ...server, stop }
}

/** Waits until the work after the answers is over; if CPU is not measured, for `QUIET.forMs`. */
export async function settled({ cpuMicros }) {
  for (let waitedMs = 0; waitedMs < QUIET.withinMs; waitedMs += QUIET.forMs) {
    const before = cpuMicros()
    await sleep(QUIET.forMs)
    if (before === null || cpuMicros() - before <= QUIET.micros) return
  }
}
