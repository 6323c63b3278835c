import { setTimeout as sleep } from 'node:timers/promises'
import { send } from '../http.mjs'
import { dayName, daysOf } from '../world.mjs'

// What the service answers at rest: every day by itself, and D1's copy of all days.

const AT_ONCE = 12

/** Longer than D1 may be behind a day on which an offer is just passed on to the next patient. */
const [READS_MAX, READ_AGAIN_MS] = [20, 500]

/** Reads a consistent state: a day that has changed since D1 was read is read again. */
export async function readFacts(world, rack) {
  let days = await inTurns(daysOf(world), (day) => dayFacts(rack, day))
  for (let reads = 1; ; reads += 1) {
    const copy = await copyFacts(rack)
    const versions = new Map(copy.days.map((day) => [dayName(dayOf(day)), day.version]))
    const isCopied = ({ name, ledger }) => ledger.version === (versions.get(name) ?? 0)
    if (days.every(isCopied) || reads === READS_MAX) return { days, events: eventsIn(days), copy }
    await sleep(READ_AGAIN_MS)
    days = await inTurns(days, (day) => (isCopied(day) ? day : dayFacts(rack, day)))
  }
}

const dayOf = ({ doctor_id: doctor, date }) => ({ doctor, date })

async function copyFacts(rack) {
  const [appointments, checkIns] = await Promise.all([
    rack.select('SELECT clinic_id, id, doctor_id, patient_id, date, slot, status FROM appointments'),
    rack.select('SELECT clinic_id, appointment_id, doctor_id, date, position, status FROM check_ins'),
  ])
  return { appointments, checkIns, days: await rack.select('SELECT * FROM days') }
}

const eventsIn = (days) =>
  days.flatMap(({ clinic, name, events }) =>
    events.map(({ type, seq, data }) => ({ ...data, type, seq, clinic, day: name })),
  )

async function dayFacts(rack, { clinic, doctor, date }) {
  const get = (path) => read(rack, clinic, path)
  const day = `/api/v1/doctors/${doctor}/days/${date}`
  const [ledger, verdict, listed, queue, events] = await Promise.all([
    get(day),
    get(`${day}/verify`),
    get(`/api/v1/appointments/doctors/${doctor}/appointments?date=${date}`),
    get(`/api/v1/checkins/doctors/${doctor}/queue?date=${date}`),
    eventsOf(get, `${day}/events?limit=1000`),
  ])
  const name = dayName({ doctor, date })
  const isPresent = isPresentBy(events)
  return { clinic, doctor, date, name, ledger, verdict, listed, queue, events, isPresent }
}

/** What the day itself says; the ledger also shows a cause that the day was not told of yet. */
const isPresentBy = (events) =>
  events.findLast(({ type }) => type === 'availability_set')?.data.is_present ?? true

async function eventsOf(get, path) {
  const events = []
  for (let page = await get(path); page.length > 0; page = await get(`${path}&since=${events.at(-1).seq}`))
    events.push(...page)
  return events
}

export async function read(rack, clinic, path) {
  const headers = { Authorization: `Bearer ${clinic.key}` }
  const { status, text } = await send(rack.port, { method: 'GET', path, headers })
  if (status !== 200) throw new Error(`At rest ${path} answered ${status} ${text}`)
  return JSON.parse(text)
}

export async function inTurns(list, work) {
  const [left, done] = [[...list.entries()], []]
  const turn = async () => {
    for (let next = left.shift(); next; next = left.shift()) done[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: AT_ONCE }, turn))
  return done
}

/** How often each value occurs. */
export function tally(values) {
  const counts = new Map()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
