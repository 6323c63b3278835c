import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrate } from '../../scripts/database.mjs'
import { newKey, partsOf } from '../../scripts/keys.mjs'
import { secretInside } from '../../scripts/secret.mjs'
import { newBuildFolder } from './build.mjs'
import { chanceOf } from './chance.mjs'
import { checkClosings } from './checks/closings.mjs'
import { checkCopy, checkDays } from './checks/days.mjs'
import { checkEffects } from './checks/effects.mjs'
import { readFacts } from './checks/facts.mjs'
import { checkLeaves } from './checks/leaves.mjs'
import { checkMerges } from './checks/merges.mjs'
import { checkAudit, checkImports, checkRecords } from './checks/records.mjs'
import { waitForRest } from './checks/rest.mjs'
import { checkVisits } from './checks/visits.mjs'
import { checkWishes } from './checks/wishes.mjs'
import { newClient } from './client.mjs'
import { addDoctor, openNewerDay } from './load/doctors.mjs'
import { follow, followClinic } from './load/followers.mjs'
import { addDoctorOnLeave } from './load/leaves.mjs'
import { act } from './load/load.mjs'
import { mount } from './rack.mjs'
import { newWorld } from './world.mjs'

const [CLINICS, DOCTORS_AT_FIRST, DATES] = [2, 3, 4]

/** Doctors who take leaves, and the dates on which they work: a visit moves so many days later at most. */
const [DOCTORS_ON_LEAVE, LEAVE_DATES] = [3, 8]
const [CLIENTS_OF_CLINIC, FOLLOWERS_OF_CLINIC, FOLLOWERS_OF_ALL] = [8, 3, 2]
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const POLL_MS = 10

/** A kill comes after this many requests or this long, so that it also comes on a slow machine. */
const KILL_AFTER_REQUESTS = { least: 200, most: 1_500 }
const KILL_AFTER_MS = 9_000

/** Sometimes the next kill comes while the service still recovers from the last one. */
const SOON_RATE = 0.2
const KILL_SOON_MS = 500

/** One run: load, faults and kills for `minutes`; then it waits for rest and checks every promise. */
export async function run({ seed, minutes, build, stopsWhenBroken, log }) {
  const [stateDir, buildDir] = [mkdtempSync(join(tmpdir(), 'doctorday-torture-')), newBuildFolder()]
  const removeFolders = () => {
    for (const folder of [stateDir, buildDir]) rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', removeFolders)
  try {
    const secret = secretInside(stateDir)
    const [built] = await Promise.all([build(buildDir), migrate(stateDir)])
    return await runOn({ stateDir, secret, built, seed, minutes, stopsWhenBroken, log })
  } finally {
    process.off('exit', removeFolders)
    removeFolders()
  }
}

async function runOn({ stateDir, secret, built, seed, minutes, stopsWhenBroken, log }) {
  const world = newWorld(seed)
  const rack = await mount({ seed, stateDir, build: built })
  // Before the exit handler that removes the folders: a living service would write them again.
  process.prependOnceListener('exit', rack.abandon)
  try {
    await rack.start('off')
    await openClinics(world, rack, secret)
    await rack.kill()
    await rack.start('on')
    const kills = await torture({ world, rack, minutes, stopsWhenBroken, log })
    log('The load has ended; waiting for rest …')
    if (!stopsWhenBroken || world.broken.length === 0) await check(world, rack)
    return { world, kills, faultCounts: rack.faultCounts }
  } catch (error) {
    // A service that does not restart, or that fails at rest, also breaks a promise.
    world.breaks('the service restarts after a kill', error.stack)
    return { world, kills: 0, faultCounts: rack.faultCounts }
  } finally {
    await rack.stop()
    process.off('exit', rack.abandon)
  }
}

/** Two clinics where it is about noon, so that no run sees a day end. */
async function openClinics(world, rack, secret) {
  const hours = 12 - new Date().getUTCHours()
  const zone = `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  const leaveDates = Array.from({ length: LEAVE_DATES }, (_, n) =>
    new Date(Date.now() + n * DAY_MS).toISOString().slice(0, 10),
  )
  for (let number = 1; number <= CLINICS; number += 1) {
    const clinic = {
      id: `clinic-${number}`,
      number,
      key: newKey(secret),
      doctors: [],
      onLeave: [],
      /** Of these, the doctors whose leaves a client steers just now, and those who have retired. */
      ...{ busy: new Set(), retired: new Set() },
      dates: leaveDates.slice(0, DATES),
      leaveDates,
      today: leaveDates[0],
    }
    for (const sql of clinicRows(clinic, zone)) await rack.select(sql)
    world.clinics.push(clinic)
    const opener = newClient({ world, rack, clinic, number: 0 })
    for (let n = 0; n < DOCTORS_AT_FIRST; n += 1) await addDoctor(opener)
    for (let n = 0; n < DOCTORS_ON_LEAVE; n += 1) await addDoctorOnLeave(opener)
    await openNewerDay(opener, rack)
  }
}

function clinicRows({ id, key }, zone) {
  const { id: keyId, secretHash } = partsOf(key)
  const now = Date.now()
  return [
    `INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
     VALUES ('${id}', '${id}', '${zone}', 'US', ${now}, '${id}')`,
    `INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, revoked_at, op_id)
     VALUES ('${keyId}', '${id}', 'torture', '["*","patients:erase","clinic:admin"]', '${secretHash}', ${now}, NULL, '${id}')`,
  ]
}

async function torture({ world, rack, minutes, stopsWhenBroken, log }) {
  const endsAt = Date.now() + minutes * MINUTE_MS
  const clients = world.clinics.flatMap((clinic) =>
    Array.from({ length: CLIENTS_OF_CLINIC }, (_, n) => newClient({ world, rack, clinic, number: n + 1 })),
  )
  world.clients.push(...clients)
  const screens = (count, what) =>
    world.clinics.flatMap((clinic) =>
      Array.from({ length: count }, (_, n) => ({
        ...{ world, rack, clinic },
        chance: chanceOf(world.seed, `${what} ${n + 1} of ${clinic.number}`),
      })),
    )
  const acting = Promise.all([
    ...clients.map((client) => act(client, { endsAt })),
    ...screens(FOLLOWERS_OF_CLINIC, 'follower').map((follower) => follow(follower, { endsAt })),
    ...screens(FOLLOWERS_OF_ALL, 'follower of all').map((follower) => followClinic(follower, { endsAt })),
  ])
  const kills = await killUntil(endsAt, { world, rack, stopsWhenBroken, log })
  world.isOver = true
  // Requests in flight get their answers from a service without faults.
  await rack.kill()
  await rack.start('off')
  await acting
  // The checks ask a new process, which has only what is on disk.
  await rack.kill()
  await rack.start('off')
  return kills + 2
}

async function killUntil(endsAt, { world, rack, stopsWhenBroken, log }) {
  const chance = chanceOf(world.seed, 'kills')
  const isOver = () => Date.now() > endsAt || (stopsWhenBroken && world.broken.length > 0)
  let kills = 0
  while (!isOver()) {
    const isSoon = kills > 0 && chance.happens(SOON_RATE)
    const wanted = chance.between(KILL_AFTER_REQUESTS.least, KILL_AFTER_REQUESTS.most)
    const killAt = Date.now() + (isSoon ? chance.below(KILL_SOON_MS) : KILL_AFTER_MS)
    const killAfter = world.requests + (isSoon ? Number.POSITIVE_INFINITY : wanted)
    while (!isOver() && world.requests < killAfter && Date.now() < killAt) await sleep(POLL_MS)
    if (isOver()) break
    await rack.kill()
    await rack.start('on')
    kills += 1
    log(`kill ${kills} after ${world.requests} requests; ${world.broken.length} promises broken`)
  }
  return kills
}

async function check(world, rack) {
  // Without load or faults no promise was tested, so the run must fail.
  if (world.all('appointment').length === 0 || !rack.faultCounts['D1 failed after'])
    world.breaks('load and faults', `${world.requests} requests, ${JSON.stringify(rack.faultCounts)}`)
  await waitForRest(world, rack)
  const seen = await readFacts(world, rack)
  checkDays(world, seen)
  checkCopy(world, seen)
  checkEffects(world, seen)
  checkVisits(world, seen)
  await checkLeaves(world, rack, seen)
  await checkClosings(world, rack, seen)
  await checkWishes(world, rack, seen)
  await checkMerges(world, rack, seen)
  await checkRecords(world, rack)
  await checkImports(world, rack)
  await checkAudit(world, rack)
}
