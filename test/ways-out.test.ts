import { afterEach, expect, test, vi } from 'vitest'
import { caller, DAY, type FrontDesk, openFrontDesk } from './clinic'

/** A refusal of the queue says what has become of the appointment, and what to do instead. */

const CHECKINS = '/api/v1/checkins'
const NEXT = 'queue/next'
const at = (instant: string) => vi.useFakeTimers({ now: new Date(instant), toFake: ['Date'] })
afterEach(() => vi.useRealTimers())

type Standing = 'booked' | 'waiting' | 'called' | 'skipped' | 'served' | 'no_show' | 'cancelled' | 'absent'

/** The steps from a booking to each status. `absent`: a no-show who never checked in. */
const STEPS: Record<Standing, string[]> = {
  booked: [],
  waiting: ['arrive'],
  called: ['arrive', 'call'],
  skipped: ['arrive', 'call', 'skip'],
  served: ['arrive', 'call', 'serve'],
  no_show: ['arrive', 'call', 'skip', 'no-show'],
  cancelled: ['cancel'],
  absent: ['no-show'],
}

async function open(standing: Standing) {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: DAY })
  at(`${DAY}T12:00:00Z`)
  for (const step of STEPS[standing])
    expect([step, (await take(desk, body, step)).status]).toEqual([step, step === 'arrive' ? 201 : 200])
  return { desk, take: (step: string) => take(desk, body, step) }
}

function take(desk: FrontDesk, { id, patient_id }: { id: string; patient_id: string }, step: string) {
  const appointment = `/api/v1/appointments/${id}`
  if (step === 'arrive') return desk.post(CHECKINS, { appointment_id: id, patient_id })
  if (step === 'call')
    return desk.post(`${CHECKINS}/doctors/${desk.doctorId}/${NEXT}`, { date: DAY, room: 'r' })
  if (step === 'cancel') return desk.post(`${appointment}/cancel`)
  if (step === 'move') return desk.post(`${appointment}/reschedule`, { date: '2040-03-15' })
  return desk.post(`${CHECKINS}/${id}/${step}`)
}

const ILLEGAL: [Standing, string[], RegExp][] = [
  [
    'waiting',
    ['serve', 'skip', 'recall', 'requeue', 'no-show', 'unserve'],
    /is waiting: call .*queue\/next first.*mistaken check-in: uncheck-in/,
  ],
  ['booked', ['serve', 'skip', 'recall', 'requeue', 'uncheck-in', 'unserve'], /has not checked in/],
  [
    'called',
    ['no-show', 'uncheck-in', 'unserve'],
    /is called: .*requeue; .*after skip.*uncheck-in after requeue/,
  ],
  ['skipped', ['serve', 'skip', 'recall', 'uncheck-in', 'unserve'], /was skipped: requeue.*uncheck-in after/],
  [
    'served',
    ['serve', 'skip', 'recall', 'requeue', 'no-show', 'uncheck-in'],
    /visit is completed.*mistake: unserve/,
  ],
  ['no_show', ['serve', 'requeue', 'no-show', 'uncheck-in', 'unserve'], /recorded as a no-show/],
  ['cancelled', ['serve', 'no-show', 'uncheck-in', 'unserve'], /was cancelled/],
]
test.each(ILLEGAL)(
  'an illegal step of a patient who is %s says what is possible',
  async (standing, steps, sentence) => {
    const visit = await open(standing)
    for (const step of steps) {
      const { status, body } = await visit.take(step)
      expect([step, status, body.type]).toEqual([step, 409, '/problems/illegal_step'])
      expect(body.from).toBe(standing)
      expect(body.message).toMatch(sentence)
    }
  },
)

const CHECKED_IN = 'already_checked_in'
const CANCELLED = 'already_cancelled'
const REFUSED: [Standing, string[], string, RegExp][] = [
  [
    'waiting',
    ['cancel', 'move', 'arrive'],
    CHECKED_IN,
    /already checked in and is waiting.*uncheck-in.*queue\/next.*no-show/,
  ],
  ['called', ['cancel', 'move', 'arrive'], CHECKED_IN, /already checked in and is called.*skip.*no-show/],
  ['skipped', ['cancel', 'move', 'arrive'], CHECKED_IN, /already checked in and was skipped.*no-show/],
  ['served', ['cancel', 'move', 'arrive'], CHECKED_IN, /already checked in.*visit is completed/],
  ['no_show', ['arrive'], CHECKED_IN, /already checked in.*no-show/],
  ['no_show', ['cancel', 'move'], CANCELLED, /recorded as a no-show/],
  ['absent', ['cancel', 'move', 'arrive'], CANCELLED, /recorded as a no-show/],
  ['cancelled', ['cancel', 'move', 'arrive'], CANCELLED, /^The appointment was cancelled/],
]
test.each(REFUSED)(
  'an appointment that is %s: %j is %s and says so',
  async (standing, steps, code, sentence) => {
    const visit = await open(standing)
    for (const step of steps) {
      const { status, body } = await visit.take(step)
      expect([step, status, body.type]).toEqual([step, 409, `/problems/${code}`])
      expect(body.message).toMatch(sentence)
    }
  },
)

test('the way out that a refusal names works: a waiting patient who left is called, skipped and a no-show', async () => {
  const visit = await open('waiting')
  for (const step of ['call', 'skip', 'no-show'])
    expect([step, (await visit.take(step)).status]).toEqual([step, 200])
  expect((await visit.desk.book({ date: DAY })).status).toBe(201)
})

test('the way out of a mistaken check-in works too: requeued, unchecked, cancelled, and the slot is free', async () => {
  const visit = await open('called')
  for (const step of ['requeue', 'uncheck-in', 'cancel'])
    expect([step, (await visit.take(step)).status]).toEqual([step, 200])
  expect((await visit.desk.book({ date: DAY })).status).toBe(201)
})

test('the pages of these problems name the way out, and all slots that are not given', async () => {
  const pageOf = async (code: string) => (await caller().get(`/problems/${code}`)).body
  for (const code of ['illegal_step', 'already_checked_in'])
    expect((await pageOf(code)).action).toContain(NEXT)
  expect((await pageOf('day_full')).cause).toContain('begun')
  expect((await pageOf('date_over')).cause).not.toContain('slot')
})
