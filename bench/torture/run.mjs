import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrate } from '../../scripts/database.mjs'
import { newKey, partsOf } from '../../scripts/keys.mjs'
import { chanceOf } from './chance.mjs'
import { checkCopy, checkDays } from './checks/days.mjs'
import { checkEffects } from './checks/effects.mjs'
import { facts } from './checks/facts.mjs'
import { checkAudit, checkImports, checkRecords } from './checks/records.mjs'
import { comeToRest } from './checks/rest.mjs'
import { newClient } from './client.mjs'
import { addDoctor } from './load/doctors.mjs'
import { follow } from './load/followers.mjs'
import { act } from './load/load.mjs'
import { mount } from './rack.mjs'
import { newWorld } from './world.mjs'

const [CLINICS, DOCTORS_AT_FIRST, DATES] = [2, 3, 4]
const [CLIENTS_OF_CLINIC, FOLLOWERS_OF_CLINIC] = [8, 3]
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const POLL_MS = 10

/** Kills come after so many requests, and at the latest after so long: a slow machine is killed as well. */
const KILL_AFTER_REQUESTS = { least: 200, most: 1_500 }
const KILL_AFTER_MS = 9_000

/** Sometimes the next one comes while the service still recovers from the last. */
const AGAIN_RATE = 0.2
const KILL_AGAIN_MS = 500

/** One run: load, faults and kills for so many minutes; then rest, and every promise is checked. */
export async function run({ seed, minutes, build, stopsWhenBroken, tell }) {
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-torture-'))
  const world = newWorld(seed)
  const [built] = await Promise.all([build(), migrate(stateDir)])
  const rack = await mount({ seed, stateDir, build: built })
  const letGo = () => {
    rack.abandon()
    rmSync(stateDir, { recursive: true, force: true })
  }
  process.once('exit', letGo)
  try {
    await rack.start('off')
    await openClinics(world, rack)
    await rack.kill()
    await rack.start('on')
    const kills = await torture({ world, rack, minutes, stopsWhenBroken, tell })
    tell('The load has ended; waiting for rest …')
    if (!stopsWhenBroken || world.broken.length === 0) await check(world, rack)
    return { world, kills, struck: rack.struck }
  } catch (error) {
    // A service that does not come back, or says at rest that it cannot, breaks a promise, too.
    world.breaks('it is there after a kill', error.stack)
    return { world, kills: 0, struck: rack.struck }
  } finally {
    await rack.stop()
    process.off('exit', letGo)
    rmSync(stateDir, { recursive: true, force: true })
  }
}

/** Two clinics where it is about noon, so that no run sees a day end. */
async function openClinics(world, rack) {
  const hours = 12 - new Date().getUTCHours()
  const zone = `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  const dates = Array.from({ length: DATES }, (_, n) =>
    new Date(Date.now() + n * DAY_MS).toISOString().slice(0, 10),
  )
  for (let number = 1; number <= CLINICS; number += 1) {
    const clinic = { id: `clinic-${number}`, number, key: newKey(), doctors: [], dates, today: dates[0] }
    for (const sql of opened(clinic, zone)) await rack.select(sql)
    world.clinics.push(clinic)
    const opener = newClient({ world, rack, clinic, number: 0 })
    for (let n = 0; n < DOCTORS_AT_FIRST; n += 1) await addDoctor(opener)
  }
}

function opened({ id, key }, zone) {
  const { id: keyId, secretHash } = partsOf(key)
  const now = Date.now()
  return [
    `INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
     VALUES ('${id}', '${id}', '${zone}', 'US', ${now}, '${id}')`,
    `INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
     VALUES ('${keyId}', '${id}', 'torture', '["*"]', '${secretHash}', ${now}, NULL, '${id}')`,
  ]
}

async function torture({ world, rack, minutes, stopsWhenBroken, tell }) {
  const endsAt = Date.now() + minutes * MINUTE_MS
  const clients = world.clinics.flatMap((clinic) =>
    Array.from({ length: CLIENTS_OF_CLINIC }, (_, n) => newClient({ world, rack, clinic, number: n + 1 })),
  )
  const followers = world.clinics.flatMap((clinic) =>
    Array.from({ length: FOLLOWERS_OF_CLINIC }, (_, n) => ({
      ...{ world, rack, clinic },
      chance: chanceOf(world.seed, `follower ${n + 1} of ${clinic.number}`),
    })),
  )
  const acting = Promise.all([
    ...clients.map((client) => act(client, { endsAt })),
    ...followers.map((follower) => follow(follower, { endsAt })),
  ])
  const kills = await killUntil(endsAt, { world, rack, stopsWhenBroken, tell })
  world.isOver = true
  // What is under way is answered by a service that fails no more.
  await rack.kill()
  await rack.start('off')
  await acting
  // What is checked is what a process that has seen none of it reads from disk.
  await rack.kill()
  await rack.start('off')
  return kills + 2
}

async function killUntil(endsAt, { world, rack, stopsWhenBroken, tell }) {
  const chance = chanceOf(world.seed, 'kills')
  const isOver = () => Date.now() > endsAt || (stopsWhenBroken && world.broken.length > 0)
  let kills = 0
  while (!isOver()) {
    const isAgain = kills > 0 && chance.happens(AGAIN_RATE)
    const wanted = chance.between(KILL_AFTER_REQUESTS.least, KILL_AFTER_REQUESTS.most)
    const killAt = Date.now() + (isAgain ? chance.below(KILL_AGAIN_MS) : KILL_AFTER_MS)
    const killAfter = world.requests + (isAgain ? Number.POSITIVE_INFINITY : wanted)
    while (!isOver() && world.requests < killAfter && Date.now() < killAt) await sleep(POLL_MS)
    if (isOver()) break
    await rack.kill()
    await rack.start('on')
    kills += 1
    tell(`kill ${kills} after ${world.requests} requests; ${world.broken.length} promises broken`)
  }
  return kills
}

async function check(world, rack) {
  // Promises that nobody put to the test were not kept.
  if (world.all('appointment').length === 0 || !rack.struck['D1 failed after'])
    world.breaks('the load is a load', `${world.requests} requests, ${JSON.stringify(rack.struck)}`)
  await comeToRest(world, rack)
  const seen = await facts(world, rack)
  checkDays(world, seen)
  checkCopy(world, seen)
  checkEffects(world, seen)
  await checkRecords(world, rack)
  await checkImports(world, rack)
  await checkAudit(world, rack)
}
