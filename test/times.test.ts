import { Temporal } from 'temporal-polyfill'
import { expect, test } from 'vitest'
import type { Command } from '../src/doctor-day/commands'
import { emptyDay, fold } from '../src/doctor-day/state/fold'
import {
  SLOTS_MAX,
  scheduleOf,
  slotsThatFit,
  timesOf,
  type WorkingHours,
} from '../src/doctor-day/state/slot-times'
import { ledgerOf } from '../src/doctor-day/state/views'
import { instantAt, localDate } from '../src/lib/time'
import { times } from './clinic'
import { apply, arrive, book, MINUTE, NOON, OPENING, refusedBy } from './day-commands'
import { iso, onTheWall, walk } from './on-the-wall'
import { CASES } from './time-cases'

const slotTimes = (date: string, timeZone: string, hours: WorkingHours, slot: number) =>
  timesOf(scheduleOf(date, timeZone, hours).timetable, slot)

test('there are at least 40 time cases, each with a name of its own', () => {
  expect(new Set(CASES.map(([name]) => name)).size).toBe(CASES.length)
  expect(CASES.length).toBeGreaterThanOrEqual(40)
})

test.each(CASES)('%s: slots agree with Temporal', (_, timeZone, date, from, to, minutes, fit) => {
  const hours = { from, to, minutesPerSlot: minutes }
  const [begin, end] = [onTheWall(date, from, timeZone), onTheWall(date, to, timeZone)]
  const expected = [...walk(begin, end, minutes)].slice(0, SLOTS_MAX)
  expect(expected).toHaveLength(fit)
  expect(slotsThatFit(date, timeZone, hours)).toBe(fit)
  const opening = { ...OPENING, date, timeZone, capacity: fit, hours }
  const { slots } = ledgerOf(fold([{ ...opening, type: 'opened', seq: 1, at: NOON, actor: 'key' }]))
  expect(slots.map(({ startsAt, endsAt }) => ({ startsAt, endsAt }))).toEqual(expected)
  // Overtime goes on in elapsed time, over later changes of clocks as well.
  for (const slot of [1, fit + 1, SLOTS_MAX])
    expect(slotTimes(date, timeZone, hours, slot)).toEqual({
      startsAt: iso(begin.add({ minutes: (slot - 1) * minutes })),
      endsAt: iso(begin.add({ minutes: slot * minutes })),
    })
})

test.each(CASES)('%s: 00:00 to 24:00 is as long as Temporal says', (_, timeZone, date) => {
  const { hoursInDay } = Temporal.PlainDate.from(date).toZonedDateTime(timeZone)
  const wholeMs = instantAt(date, '24:00', timeZone) - instantAt(date, '00:00', timeZone)
  expect(wholeMs).toBe(hoursInDay * 60 * MINUTE)
})

const open = (date: string, timeZone: string) => {
  const day = emptyDay()
  const before = onTheWall(date, '00:00', timeZone).epochMilliseconds - 24 * 60 * MINUTE
  apply(day, [], { ...book(1), opening: { ...OPENING, date, timeZone } } as Command, before)
  return day
}

const RETURNING = 'America/St_Johns'
test.each(CASES.filter(([, timeZone]) => timeZone !== RETURNING))(
  '%s: check-in is open from the first instant of the date to the last',
  (_, timeZone, date) => {
    const day = open(date, timeZone)
    const first = onTheWall(date, '00:00', timeZone).epochMilliseconds
    const next = onTheWall(date, '24:00', timeZone).epochMilliseconds
    const asked = [first - 1, first, first + MINUTE, next - MINUTE, next - 1, next, next + MINUTE]
    expect(asked.map((now) => refusedBy(day, arrive(1), now))).toEqual([
      'wrong_date',
      ...times(4, () => 'accepted'),
      'wrong_date',
      'wrong_date',
    ])
  },
)

test('where clocks go back over midnight, check-in is open whenever they show the date, so it closes once', () => {
  const day = open('2010-11-07', RETURNING)
  const midnight = onTheWall('2010-11-07', '00:00', RETURNING).epochMilliseconds
  const asked = times(120, (minute) => midnight + minute * MINUTE)
  const shown = asked.map((now) => (localDate(now, RETURNING) === '2010-11-07' ? 'accepted' : 'wrong_date'))
  expect(asked.map((now) => refusedBy(day, arrive(1), now))).toEqual(shown)
  expect(shown.filter((answer) => answer === 'wrong_date')).toHaveLength(59)
})

test.each([
  ['Pacific/Apia', '2011-12-30'],
  ['Pacific/Kwajalein', '1993-08-21'],
])('a date that %s left out, %s, has no slot, nobody checks in, and nothing breaks', (timeZone, date) => {
  const hours = { from: '09:00', to: '17:00', minutesPerSlot: 15 }
  expect(slotsThatFit(date, timeZone, hours)).toBe(0)
  expect(slotsThatFit(date, timeZone, { ...hours, from: '00:00', to: '24:00' })).toBe(0)
  const next = iso(onTheWall(date, '24:00', timeZone))
  expect(slotTimes(date, timeZone, hours, 1)).toMatchObject({ startsAt: next })
  const end = Date.parse(next)
  const day = open(date, timeZone)
  for (const now of [end - 1, end, end + 12 * 60 * MINUTE])
    expect(refusedBy(day, arrive(1), now)).toBe('wrong_date')
})

test('a log from before there were hours has slots without times', () => {
  const old = fold([{ ...OPENING, type: 'opened', seq: 1, at: NOON, actor: 'key' }])
  expect(ledgerOf(old).slots).toEqual(
    times(3, (n) => ({ slot: n + 1, startsAt: null, endsAt: null, occupant: null })),
  )
})
