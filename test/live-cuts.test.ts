import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import type { LiveMessage } from '../src/doctor-day/readers/live'
import { dayKey } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk, times } from './clinic'
import { folded, follow, KINDS, type Kind, keyOf, livePath, randomFrom, until } from './followers'
import { rounds } from './rounds'

const DAY = '2040-03-14'
const NOON = Date.parse(`${DAY}T12:00:00Z`)
const CUTS = rounds(40, 100)
const PATIENTS = 60
const LASTS_MS = 60_000
afterEach(() => {
  vi.useRealTimers()
})

type Random = (below: number) => number
const STEPS = ['serve', 'skip', 'requeue', 'no-show', 'recall', 'uncheck-in', 'unserve']

/** One thing out of a day's life. What the day refuses changes nothing, and is as good a test. */
function life(desk: FrontDesk, random: Random): () => Promise<unknown> {
  const [toCome, came] = [[...desk.patientIds], [] as string[]]
  const place = { doctor_id: desk.doctorId, date: DAY }
  const some = () => came[random(came.length)]
  return async () => {
    switch (random(6)) {
      case 0:
        return desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 600 })
      case 1:
        return desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, {
          date: DAY,
          room: `room ${random(3)}`,
        })
      case 2: {
        const [patient_id, priority] = [toCome.pop() ?? '', random(4) ? 'normal' : 'urgent']
        const wanted = { doctor_id: desk.doctorId, patient_id, priority }
        const arrived = await desk.post('/api/v1/checkins/walk-in', wanted)
        return arrived.status === 201 && came.push(arrived.body.appointment_id)
      }
      default:
        return desk.post(`/api/v1/checkins/${some()}/${STEPS[random(STEPS.length)]}`)
    }
  }
}

/** Follows, is cut off in the middle of what happens, comes again with the last number heard. */
async function cutOff(kind: Kind, path: string, desk: FrontDesk, random: Random): Promise<LiveMessage[]> {
  const object = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
  const [seen, happen]: [LiveMessage[], () => Promise<unknown>] = [[], life(desk, random)]
  const comeAgain = () => {
    const seq = seen.at(-1)?.seq
    return follow(kind, path, { headers: keyOf(desk), ...(seq === undefined ? {} : { seq }) })
  }
  for (const _ of times(CUTS, (n) => n)) {
    const follower = await comeAgain()
    const happening = Promise.all(times(random(5), happen))
    if (random(3) > 0) await happening
    if (random(3) > 0) await scheduler.wait(random(12))
    const evictedWith = random(10)
    if (evictedWith < 2) {
      await happening
      await evictDurableObject(object, { webSockets: evictedWith === 0 ? 'close' : 'hibernate' })
      if (evictedWith === 1) await happen()
    }
    await follower.cut()
    seen.push(...follower.messages)
    await happening
  }
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  const last = await comeAgain()
  if (seen.at(-1)?.seq !== body.version) await until(last, body.version)
  await last.cut()
  return [...seen, ...last.messages]
}

test.each(KINDS.flatMap((kind) => [3, 5].map((seed) => [kind, seed] as const)))(
  `%s, seed %i: cut off ${CUTS} times, it misses nothing and hears nothing twice`,
  async (kind, seed) => {
    const desk = await openFrontDesk({ patients: PATIENTS, capacity: 200 })
    vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
    const view = seed === 5 ? 'board' : 'desk'
    const path = livePath(desk, { date: DAY, view })
    const seen = await cutOff(kind, path, desk, randomFrom(seed * 7_919))
    const { body: events } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/events?limit=1000`)
    expect(events.length).toBeGreaterThan(CUTS)
    expect(seen.map(({ type, seq }) => `${type} ${seq}`)).toEqual([
      'snapshot 0',
      ...times(events.length, (n) => `event ${n + 1}`),
    ])
    const { body: queue } = await desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`)
    expect(queue.length).toBeGreaterThan(CUTS / 10)
    const shown = queue.map(({ position, status, room }: Record<string, unknown>) => ({
      position,
      status,
      room,
      initials: null,
    }))
    expect(folded(seen)).toEqual(view === 'board' ? shown : queue)
  },
  LASTS_MS,
)
