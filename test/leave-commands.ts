import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, vi } from 'vitest'
import { type FrontDesk, type Reply, times } from './clinic'
import { betweenDays } from './faults'
import { type ClerkOfLeave, dateAfter, type Leave, nameOf, type Place, type Visit } from './leave-model'

export interface World {
  desk: FrontDesk
  clerk: ClerkOfLeave
  chance: () => number
  seed: number
  counts: Record<string, number>
  /** Of this step: each request of it has a key of its own. */
  key: string
}

const API = '/api/v1'
const DATES = 4
const HOURS = { from: '22:00', to: '23:30', minutes_per_slot: 30 }
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const pick = <T>({ chance }: World, all: Iterable<T>): T | undefined => {
  const list = [...all]
  return list[Math.floor(chance() * list.length)]
}

const placeOf = (world: World): Place => ({
  doctor: pick(world, world.clerk.doctors) ?? '',
  date: dateAfter(world.clerk.today, Math.floor(world.chance() * DATES)),
})

/** A request with a key, sent again with it until it has an answer. */
async function insist(world: World, what: string, method: string, path: string, body: object | null) {
  const headers = {
    'Content-Type': 'application/json',
    'Idempotency-Key': `${world.key}-${what.replace(/\W/g, '-')}`,
  }
  const send = () => world.desk.send(method, API + path, body && JSON.stringify(body), headers)
  let reply = await send()
  for (let tries = 0; reply.status === 503 && tries < 20; tries += 1) reply = await send()
  const counted = `${what.replace(/ #.*/, '')} ${reply.status}`
  world.counts[counted] = (world.counts[counted] ?? 0) + 1
  return reply
}

const codeOf = ({ status, body }: Reply): string =>
  status < 300 ? 'done' : String(body.type).replace('/problems/', '')

/** `expected`: each answer that the clerk accepts. */
function expectCode({ seed, key }: World, what: string, reply: Reply, expected: string[]): boolean {
  const code = codeOf(reply)
  expect([seed, key, what, code, expected]).toEqual([
    seed,
    key,
    what,
    expected.includes(code) ? code : '',
    expected,
  ])
  return code === 'done'
}

const orDone = (codes: (string | false)[]): string[] => {
  const [first] = codes.filter((code) => code !== false)
  return [first ?? 'done']
}

function expectedOfBooking({ clerk }: World, place: Place, patient: string): string[] {
  const refusals = clerk.refusals(place)
  if (refusals.length > 0) return refusals
  const sheet = clerk.sheet(place)
  const isOffered = sheet.waiting.some((one) => one.patient === patient && one.deadline !== null)
  return orDone([
    clerk.has(place, patient) && 'already_booked',
    clerk.free(place) < 1 && !isOffered && 'day_full',
  ])
}

async function book(world: World, place = placeOf(world), more: string[] = [], n = 0): Promise<void> {
  const { desk, clerk } = world
  const patient = pick(world, desk.patientIds) ?? ''
  const wanted = { patient_id: patient, doctor_id: place.doctor, date: place.date }
  const expected = expectedOfBooking(world, place, patient)
  const reply = await insist(world, `book #${n}`, 'POST', '/appointments', wanted)
  if (!expectCode(world, `book ${nameOf(place)}`, reply, [...expected, ...more])) return
  const { id, slot } = reply.body
  clerk.book({ id, patient, place, slot, status: 'booked' })
}

const idOfVisit = (visit: Visit): string => `/appointments/${visit.id}`

async function cancelVisit(world: World): Promise<void> {
  const visit = pick(world, [...world.clerk.visits.values()].slice(-30))
  if (!visit) return
  const reply = await insist(world, 'cancel', 'POST', `${idOfVisit(visit)}/cancel`, {})
  const expected = { booked: 'done', cancelled: 'already_cancelled', arrived: 'already_checked_in' }
  if (expectCode(world, 'cancel', reply, [expected[visit.status]])) world.clerk.cancel(visit)
}

async function arrive(world: World): Promise<void> {
  const { clerk } = world
  const due = [...clerk.visits.values()].filter(
    ({ status, place }) => status === 'booked' && place.date === clerk.today,
  )
  const visit = pick(world, due)
  if (!visit) return
  const wanted = { appointment_id: visit.id, patient_id: visit.patient }
  if (expectCode(world, 'arrive', await insist(world, 'arrive', 'POST', '/checkins', wanted), ['done']))
    visit.status = 'arrived'
}

async function setAvailability(world: World): Promise<void> {
  const place = placeOf(world)
  const isPresent = world.chance() < 0.6
  const [refusal] = world.clerk.refusals(place)
  const wanted = { date: place.date, is_present: isPresent }
  const reply = await insist(world, 'set', 'POST', `/doctors/${place.doctor}/availability`, wanted)
  const expected = refusal === 'doctor_retired' ? refusal : 'done'
  if (expectCode(world, `set ${nameOf(place)}`, reply, [expected])) world.clerk.set(place, isPresent)
}

async function wait(world: World): Promise<void> {
  const { clerk } = world
  const place = placeOf(world)
  const patient = pick(world, world.desk.patientIds) ?? ''
  const refusals = clerk.refusals(place).filter((code) => code !== 'doctor_absent')
  const expected = refusals.length > 0 ? refusals : orDone([clerk.has(place, patient) && 'already_booked'])
  const wanted = { patient_id: patient, doctor_id: place.doctor, date: place.date }
  const reply = await insist(world, 'wait', 'POST', '/appointments/waitlist', wanted)
  if (expectCode(world, `wait ${nameOf(place)}`, reply, expected)) clerk.wait(place, patient)
}

async function answerOffer(world: World): Promise<void> {
  const { clerk, desk } = world
  const offered = [...clerk.sheets.values()].flatMap((sheet) =>
    sheet.waiting.filter(({ deadline }) => deadline !== null).map(({ patient }) => ({ sheet, patient })),
  )
  const chosen = pick(world, offered)
  if (!chosen) return
  const { doctor, date, isPresent } = chosen.sheet
  const at = `doctor_id=${doctor}&date=${date}`
  const list = await untilRead(() => desk.get(`${API}/appointments/waitlist?${at}`))
  const { id } = list.body.find((one: { patient_id: string }) => one.patient_id === chosen.patient) ?? {}
  if (world.chance() < 0.4) {
    const reply = await insist(world, 'decline', 'POST', `/appointments/waitlist/${id}/decline`, {})
    if (expectCode(world, 'decline', reply, ['done'])) clerk.decline({ doctor, date }, chosen.patient)
    return
  }
  const reply = await insist(world, 'accept', 'POST', `/appointments/waitlist/${id}/accept`, {})
  // The day alone decides: an offer of a date of which it was not told yet is still good.
  const expected = orDone([date < clerk.today && 'date_over', !isPresent && 'doctor_absent'])
  if (!expectCode(world, `accept ${doctor}/${date}`, reply, expected)) return
  const { id: made, slot } = reply.body
  clerk.book({ id: made, patient: chosen.patient, place: { doctor, date }, slot, status: 'booked' })
}

async function untilRead(read: () => Promise<Reply>): Promise<Reply> {
  let reply = await read()
  for (let tries = 0; reply.status === 503 && tries < 20; tries += 1) reply = await read()
  return reply
}

function wantedLeave(world: World) {
  const { doctor, date } = placeOf(world)
  const days = 1 + Math.floor(world.chance() * 4)
  const to = dateAfter(date, days - 1)
  const other = world.clerk.doctors.find((one) => one !== doctor) ?? ''
  const moveTo = pick(world, [
    ...[null, { doctor, daysLater: days + Math.floor(world.chance() * 3) }],
    ...[
      { doctor: other, daysLater: 0 },
      { doctor: other, daysLater: 1 },
    ],
  ])
  return { doctor, from: date, to, moveTo: moveTo ?? null }
}

type Wanted = ReturnType<typeof wantedLeave>

function expectedOfLeave({ clerk }: World, { doctor, from, to }: Wanted): string[] {
  const overlaps = [...clerk.leaves.values()].some(
    (leave) =>
      leave.kind === 'leave' &&
      leave.doctor === doctor &&
      [...leave.dates.values()].some(
        ({ date, state }) =>
          from <= date && date <= to && ['pending', 'told', 'failed', 'ending'].includes(state),
      ),
  )
  return orDone([clerk.retired.has(doctor) && 'doctor_retired', overlaps && 'leave_overlaps'])
}

/** Bookings for its dates arrive at the same time. They are refused, or struck by the leave. */
async function declare(world: World): Promise<void> {
  const wanted = wantedLeave(world)
  const { doctor, from, to, moveTo } = wanted
  const expected = expectedOfLeave(world, wanted)
  const move_to = moveTo && { doctor_id: moveTo.doctor, days_later: moveTo.daysLater }
  const asked = { from, to, reason: 'Away', ...(move_to && { move_to }) }
  const declaring = insist(world, 'declare', 'POST', `/doctors/${doctor}/leave`, asked)
  const storm = world.chance() < 0.4 ? 1 + Math.floor(world.chance() * 2) : 0
  for (const n of times(storm, (n) => n)) await book(world, { doctor, date: from }, ['on_leave'], n)
  const reply = await declaring
  if (!expectCode(world, `declare ${doctor} ${from} ${to}`, reply, expected)) return
  const id = reply.body.leave_id
  const leave = { id, kind: 'leave' as const, doctor, from, to, since: world.clerk.now, moveTo }
  const declared = world.clerk.declare(leave)
  world.clerk.audit.push(`leave.declared ${id}`)
  if (world.chance() < 0.3) await stopMidway(world, declared)
}

/** Some days are told, then the others are out of reach, and then the leave is paused. */
async function stopMidway(world: World, leave: Leave): Promise<void> {
  vi.restoreAllMocks()
  let told = Math.floor(world.chance() * leave.dates.size)
  const seen = betweenDays(
    async (command, call) => {
      if (command.type === 'declare_absence' && told-- <= 0) throw new Error('Network connection lost.')
      return call()
    },
    ['declare_absence'],
  )
  const all = told
  await runDurableObjectAlarm(env.LEAVE_JOB.getByName(leave.id))
  seen.mockRestore()
  world.clerk.work(leave, all)
  await steer(world, leave, 'pause')
}

const leavesOf = ({ clerk }: World) =>
  [...clerk.leaves.values()].filter(({ kind }) => kind === 'leave').slice(-12)

const BEFORE = { pause: ['running'], resume: ['paused'] }
const AFTER = { pause: 'paused', resume: 'running' } as const

async function steer(world: World, leave: Leave | undefined, verb: 'pause' | 'resume'): Promise<void> {
  if (!leave) return
  const { status } = leave
  const isStep = BEFORE[verb].includes(status)
  const isThere = verb === 'pause' ? status === 'paused' : ['running', 'completed'].includes(status)
  const reply = await insist(
    world,
    `${verb} leave`,
    'POST',
    `/doctors/${leave.doctor}/leave/${leave.id}/${verb}`,
    null,
  )
  const expected = isStep || isThere ? 'done' : 'leave_over'
  if (!expectCode(world, `${verb} ${status}`, reply, [expected]) || !isStep) return
  leave.status = AFTER[verb]
  world.clerk.audit.push(`leave.${verb}d ${leave.id}`)
}

async function cancelLeave(world: World): Promise<void> {
  const { clerk } = world
  const leave = pick(world, leavesOf(world))
  if (!leave) return
  const from = pick(world, [undefined, ...[...leave.dates.values()].map(({ date }) => date)])
  const path = `/doctors/${leave.doctor}/leave/${leave.id}/cancel`
  const reply = await insist(world, 'cancel leave', 'POST', path, from ? { from } : {})
  const isOver = from !== undefined && from < clerk.today
  if (!expectCode(world, 'cancel leave', reply, [isOver ? 'date_over' : 'done'])) return
  if (['cancelling', 'cancelled'].includes(leave.status)) return
  clerk.cancelFrom(leave, from ?? clerk.today)
  clerk.audit.push(`leave.cancelled ${leave.id}`)
}

async function setWeek(world: World): Promise<void> {
  const doctor = pick(world, world.clerk.doctors) ?? ''
  const daysOff = times(7, (n) => n).filter(() => world.chance() < 0.25)
  const week = Object.fromEntries(WEEKDAYS.map((name, n) => [name, daysOff.includes(n) ? null : HOURS]))
  const weekly_hours = { valid_from: world.clerk.today, ...week }
  const reply = await insist(world, 'week', 'PATCH', `/doctors/${doctor}`, { weekly_hours })
  if (expectCode(world, 'week', reply, ['done'])) world.clerk.daysOff.set(doctor, daysOff)
}

const closingsOf = ({ clerk }: World) =>
  [...clerk.leaves.values()].filter(({ kind, status }) => kind === 'closing' && status === 'completed')

async function close(world: World): Promise<void> {
  const { clerk } = world
  const { date: from } = placeOf(world)
  const to = dateAfter(from, Math.floor(world.chance() * 3))
  const overlaps = closingsOf(world).some((closing) => closing.from <= to && from <= closing.to)
  const reply = await insist(world, 'close', 'POST', '/closings', { from, to, reason: 'Holidays' })
  if (!expectCode(world, 'close', reply, orDone([overlaps && 'closings_overlap']))) return
  const id = reply.body.closing_id
  clerk.declare({ id, kind: 'closing', doctor: '', from, to, since: clerk.now, moveTo: null })
  clerk.audit.push(`clinic.closed ${id}`)
}

async function open(world: World): Promise<void> {
  const closing = pick(world, closingsOf(world))
  if (!closing) return
  const reply = await insist(world, 'open', 'DELETE', `/closings/${closing.id}`, null)
  if (!expectCode(world, 'open', reply, ['done'])) return
  world.clerk.endAll(closing)
  world.clerk.audit.push(`clinic.opened_again ${closing.id}`)
}

async function retire(world: World): Promise<void> {
  const { clerk } = world
  const [, doctor = ''] = clerk.doctors
  const retirement = clerk.leaves.get(clerk.retired.get(doctor) ?? '')
  if (!retirement) {
    const reply = await insist(world, 'retire', 'DELETE', `/doctors/${doctor}`, null)
    if (!expectCode(world, 'retire', reply, ['done'])) return
    const id = `retirement-${world.key}`
    clerk.retired.set(doctor, id)
    clerk.declare({
      id,
      kind: 'retirement',
      doctor,
      from: clerk.today,
      to: '9999',
      since: clerk.now,
      moveTo: null,
    })
    clerk.audit.push(`doctor.retired ${doctor}`)
    return
  }
  const reply = await insist(world, 'reinstate', 'POST', `/doctors/${doctor}/reinstate`, {})
  if (!expectCode(world, 'reinstate', reply, ['done'])) return
  clerk.retired.delete(doctor)
  clerk.endAll(retirement)
  clerk.audit.push(`doctor.reinstated ${doctor}`)
}

async function passNight({ clerk }: World): Promise<void> {
  clerk.now = Date.parse(`${dateAfter(clerk.today, 1)}T08:00:00Z`)
  vi.setSystemTime(clerk.now)
  clerk.lapse()
}

/** How often each happens, of 100. */
const COMMANDS: [share: number, command: (world: World) => Promise<void>][] = [
  [24, (world) => book(world)],
  [15, declare],
  [12, cancelLeave],
  [3, (world) => steer(world, pick(world, leavesOf(world)), 'pause')],
  [5, (world) => steer(world, pick(world, leavesOf(world)), 'resume')],
  [4, cancelVisit],
  [8, setAvailability],
  [4, wait],
  [4, answerOffer],
  [1, arrive],
  [3, setWeek],
  [6, close],
  [6, open],
  [4, retire],
  [1, passNight],
]

export async function act(world: World): Promise<void> {
  let at = world.chance() * 100
  for (const [share, command] of COMMANDS) {
    at -= share
    if (at < 0) return command(world)
  }
}
