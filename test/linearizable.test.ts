import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk, type Reply, times } from './clinic'
import { rounds } from './rounds'
import { contradiction, type Kind, type Op, SequentialDay, type Step } from './sequential-day'

const ROUNDS = rounds(10, 100)
const CAPACITY = 40
const APPOINTMENTS = '/api/v1/appointments'
const CHECKINS = '/api/v1/checkins'

afterEach(() => {
  vi.useRealTimers()
})

type Wanted = [kind: Kind, target: string]

/** What the event is that a request of this kind leaves in the log. */
const EVENTS: Record<Kind, string> = {
  book: 'booked',
  choose: 'booked',
  hold: 'held',
  cancel: 'cancelled',
  release: 'hold_ended',
  check_in: 'checked_in',
  next: 'called',
  serve: 'served',
  requeue: 'requeued',
  uncheck_in: 'unchecked_in',
  unserve: 'unserved',
}

const isBooking = (kind: Kind): boolean => kind === 'book' || kind === 'choose'

let clock = 0

async function record(desk: FrontDesk, date: string, [kind, target]: Wanted): Promise<Op> {
  const invoked = ++clock
  const reply = await send(desk, date, kind, target)
  const made = kind === 'hold' ? reply.body.hold_id : isBooking(kind) ? reply.body.id : null
  const value =
    { book: 'slot', choose: 'slot', hold: 'slot', check_in: 'queue_position', next: 'appointment_id' }[
      kind as string
    ] ?? ''
  return {
    ...{ kind, target, invoked, responded: ++clock, status: reply.status },
    value: reply.status < 300 ? (reply.body[value] ?? null) : null,
    made: made ?? null,
  }
}

function send(desk: FrontDesk, date: string, kind: Kind, target: string): Promise<Reply> {
  switch (kind) {
    case 'book':
      return desk.book({ date, allow_another: true })
    case 'choose':
      return desk.book({ date, allow_another: true, slot: Number(target) })
    case 'hold':
      return desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date, ttl_seconds: 600 })
    case 'cancel':
      return desk.post(`${APPOINTMENTS}/${target}/cancel`)
    case 'release':
      return desk.send('DELETE', `${APPOINTMENTS}/holds/${target}`)
    case 'check_in':
      return desk.post(CHECKINS, { appointment_id: target, patient_id: desk.patientIds[0] })
    case 'next':
      return desk.post(`${CHECKINS}/doctors/${desk.doctorId}/queue/next`, { date, room: target })
    default:
      return desk.post(`${CHECKINS}/${target}/${kind.replace('_', '-')}`)
  }
}

type Logged = Record<string, string> & { position?: number }

/** The day's log, as [type, the id it is about, room]. */
async function logOf(desk: FrontDesk, date: string): Promise<Logged[]> {
  const stub = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, date)))
  return runInDurableObject(stub, (_, state) =>
    state.storage.sql
      .exec('SELECT body FROM events ORDER BY seq')
      .toArray()
      .map(({ body }) => JSON.parse(String(body))),
  )
}

/** The requests that changed something, in the order in which the log tells of them. */
function ordered(log: Logged[], ops: Op[]): Op[] {
  return log.flatMap((event) => {
    const op = ops.find(({ kind, target, made, value, status }) => {
      if (EVENTS[kind] !== event.type || status >= 300) return false
      if (kind === 'check_in' && value !== event.position) return false
      if (kind === 'next') return value === event.appointmentId && target === event.room
      if (isBooking(kind) && made === null) return false
      return [made ?? target].includes(event.appointmentId ?? event.holdId ?? '')
    })
    return op ? [op] : []
  })
}

const shuffled = <T>(list: T[], seed: number): T[] =>
  list
    .map((item, index) => [Math.sin(seed * 1_000 + index * 7.7) % 1, item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)

test(`two hundred requests of mixed kinds at once could have come one by one, ${ROUNDS} rounds`, async () => {
  const desk = await openFrontDesk({ capacity: CAPACITY })
  for (const round of times(ROUNDS, (n) => n)) {
    const date = new Date(Date.UTC(2040, 0, 1 + round)).toISOString().slice(0, 10)
    vi.useFakeTimers({ now: Date.parse(`${date}T12:00:00Z`), toFake: ['Date'] })
    const before: Op[] = []
    for (const kind of [...times(15, () => 'book' as const), ...times(10, () => 'hold' as const)])
      before.push(await record(desk, date, [kind, '']))
    const [booked, held] = ['book', 'hold'].map((kind) =>
      before.flatMap((op) => (op.kind === kind && op.made ? [op.made] : [])),
    ) as [string[], string[]]
    // Some are in each state when all begins. Those of the first eight may be cancelled.
    for (const target of booked.slice(8, 14)) before.push(await record(desk, date, ['check_in', target]))
    for (const n of times(4, (n) => n)) before.push(await record(desk, date, ['next', `first room ${n}`]))
    for (const target of booked.slice(8, 10)) before.push(await record(desk, date, ['serve', target]))
    // One of each step per appointment, so that each event belongs to one request.
    const stepsOf = (step: Step, from: number): Wanted[] => booked.slice(from).map((target) => [step, target])
    const wanted: Wanted[] = [
      ...times(27, (): Wanted => ['book', '']),
      // Each of these slots is wanted twice, and the others may get it first.
      ...times(10, (n): Wanted => ['choose', String(25 + 2 * (n % 5))]),
      ...times(25, (): Wanted => ['hold', '']),
      ...times(16, (n): Wanted => ['cancel', booked[n % 8] ?? '']),
      ...times(10, (n): Wanted => ['release', held[n] ?? '']),
      ...times(45, (n): Wanted => ['check_in', booked[n % booked.length] ?? '']),
      ...times(25, (n): Wanted => ['next', `room ${n}`]),
      ...stepsOf('requeue', 0),
      ...stepsOf('uncheck_in', 0),
      ...stepsOf('serve', 12),
      ...stepsOf('unserve', 6),
    ]
    const during = await Promise.all(shuffled(wanted, round).map((each) => record(desk, date, each)))
    const all = [...before, ...during]
    const order = ordered(await logOf(desk, date), all)
    const unchanged = all.filter((op) => !order.includes(op))
    expect(unchanged.filter(({ status }) => status < 300 && status !== 204)).toEqual([])
    expect(contradiction(new SequentialDay(CAPACITY), order, unchanged)).toBeNull()
  }
}, 300_000)

describe('the check catches what must not be', () => {
  const op = (kind: Kind, change: Partial<Op>): Op => ({
    ...{ kind, target: '', invoked: 0, responded: 1_000, status: 201, value: null, made: null },
    ...change,
  })
  const book = (id: string, slot: number) => op('book', { made: id, value: slot })

  test('a sound history passes', () => {
    const order = [book('a', 1), book('b', 2), op('cancel', { target: 'a', status: 200 }), book('c', 1)]
    expect(contradiction(new SequentialDay(2), order, [op('book', { status: 409 })])).toBeNull()
  })

  test.each<[string, Op[], Op[]]>([
    ['a slot given twice', [book('a', 1), book('b', 1)], []],
    ['a slot that is not the lowest', [book('a', 2)], []],
    ['another slot than the chosen one', [op('choose', { target: '2', made: 'a', value: 1 })], []],
    ['a chosen slot that was free all the time, refused', [], [op('choose', { target: '2', status: 409 })]],
    ['a refusal while there was room all the time', [book('a', 1)], [op('book', { status: 409 })]],
    [
      'a cancelled slot that stays taken',
      [book('a', 1), book('b', 2), op('cancel', { target: 'a', status: 200, responded: 5 })],
      [op('book', { status: 409, invoked: 6 })],
    ],
    [
      'one patient called into two rooms',
      [
        book('a', 1),
        op('check_in', { target: 'a', value: 1 }),
        op('next', { target: 'r', status: 200, value: 'a' }),
        op('next', { target: 's', status: 200, value: 'a' }),
      ],
      [],
    ],
    [
      'a position given twice',
      [
        book('a', 1),
        book('b', 2),
        op('check_in', { target: 'a', value: 1 }),
        op('check_in', { target: 'b', value: 1 }),
      ],
      [],
    ],
    [
      'a position that an undone check-in had, given again',
      [
        book('a', 1),
        op('check_in', { target: 'a', value: 1 }),
        op('uncheck_in', { target: 'a', status: 200 }),
        op('check_in', { target: 'a', value: 1 }),
      ],
      [],
    ],
    [
      'a patient who is called after an undone check-in',
      [
        book('a', 1),
        op('check_in', { target: 'a', value: 1 }),
        op('uncheck_in', { target: 'a', status: 200 }),
        op('next', { target: 'r', status: 200, value: 'a' }),
      ],
      [],
    ],
    [
      'a requeued patient who comes last',
      [
        ...[book('a', 1), book('b', 2)],
        op('check_in', { target: 'a', value: 1 }),
        op('check_in', { target: 'b', value: 2 }),
        op('next', { target: 'r', status: 200, value: 'a' }),
        op('requeue', { target: 'a', status: 200 }),
        op('next', { target: 's', status: 200, value: 'b' }),
      ],
      [],
    ],
    [
      'a later request that counts before an earlier one',
      [
        { ...book('b', 1), invoked: 10 },
        { ...book('a', 2), responded: 5 },
      ],
      [],
    ],
  ])('%s', (_, order, unchanged) => {
    expect(contradiction(new SequentialDay(2), order, unchanged)).not.toBeNull()
  })
})
