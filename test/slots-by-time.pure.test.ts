import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scheduleOf, type WorkingHours } from '../src/doctor-day/state/slot-times'
import { firstByTime, type OfDoctor, sortKeyOf } from '../src/slots/by-time'
import type { FreeSlot } from '../src/slots/model'

const DATE = '2027-03-28'
const ZONE = 'Europe/Berlin'
const TERMS = { date: DATE, span: 1, cursor: undefined }

const hoursOf = (from: string, minutesPerSlot: number): WorkingHours => ({
  from,
  to: '20:00',
  minutesPerSlot,
})

function doctorOf(n: number, hours: WorkingHours | null, free: number[]): OfDoctor {
  const { timetable } = scheduleOf(DATE, ZONE, hours)
  return { doctorId: `doctor-${String(n).padStart(4, '0')}`, slots: { capacity: 48, timetable }, free }
}

/** The whole list, each slot compared with the others. */
function plainly(doctors: OfDoctor[]): FreeSlot[] {
  const alone = doctors.map((doctor) => firstByTime([doctor], { ...TERMS, max: doctor.free.length }))
  return alone.flat().sort((one, other) => compare(sortKeyOf(one), sortKeyOf(other)))
}

function compare(one: (string | number)[], other: (string | number)[]): number {
  for (const [place, value] of one.entries()) {
    const against = other[place] ?? ''
    if (value !== against) return value < against ? -1 : 1
  }
  return 0
}

const doctors = fc
  .array(
    fc.tuple(
      // Clocks are put forward at 02:00 on this date.
      fc.constantFrom(
        null,
        hoursOf('00:00', 60),
        hoursOf('01:30', 15),
        hoursOf('08:00', 15),
        hoursOf('08:00', 20),
      ),
      fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) =>
    all.map(([hours, free], n) =>
      doctorOf(
        n,
        hours,
        free.sort((one, other) => one - other),
      ),
    ),
  )

test('pages of free slots are the list by time, doctor and number, whole and without repeats', () => {
  fc.assert(
    fc.property(doctors, fc.integer({ min: 1, max: 9 }), (all, max) => {
      const whole = plainly(all)
      const listed: FreeSlot[] = []
      let last: FreeSlot | undefined
      do {
        const cursor = last && sortKeyOf(last)
        const page = firstByTime(all, { ...TERMS, cursor, max })
        expect(page.length).toBeLessThanOrEqual(max)
        listed.push(...page)
        last = page.length === max ? page.at(-1) : undefined
      } while (last && listed.length <= whole.length)
      expect(listed).toEqual(whole)
    }),
  )
})

test('a page of 1,000 doctors takes a small part of the time that comparing their slots takes', () => {
  const free = Array.from({ length: 48 }, (_, index) => index + 1)
  const all = Array.from({ length: 1_000 }, (_, n) => doctorOf(n, hoursOf('08:00', 15), free))
  const msOf = (work: () => unknown) => {
    const began = performance.now()
    work()
    return performance.now() - began
  }
  const page = () => firstByTime(all, { ...TERMS, max: 1_001 })
  expect(page()).toEqual(plainly(all).slice(0, 1_001))
  const listed = Math.min(msOf(page), msOf(page), msOf(page))
  const compared = msOf(() => plainly(all))
  expect(5 * listed).toBeLessThan(compared)
})
