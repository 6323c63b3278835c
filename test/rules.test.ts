import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Command, type Day, emptyDay, type Opening, type Recorded } from '../src/doctor-day/day'
import { decide, evolve } from '../src/doctor-day/rules'

const DATE = '2026-03-14'
const NOON = Date.parse(`${DATE}T12:00:00Z`)
const OPENING: Opening = { clinicId: 'c', doctorId: 'd', date: DATE, timeZone: 'UTC', capacity: 3 }
const moment = { at: NOON, actor: 'key' }

/** Applies a command as the object does, and keeps the log. */
function apply(day: Day, log: Recorded[], command: Command, at = NOON) {
  const decision = decide(day, command, { at, actor: 'key' })
  if (!decision.ok) return decision
  for (const event of decision.events) {
    const recorded = { ...event, seq: day.version + 1, at, actor: 'key' } as Recorded
    log.push(recorded)
    evolve(day, recorded)
  }
  return decision
}

const book = (n: number, allowAnother = false): Command => ({
  type: 'book',
  opening: OPENING,
  appointmentId: `a${n}`,
  patientId: `p${n % 7}`,
  allowAnother,
})
const arrive = (n: number, patient = n % 7): Command => ({
  type: 'check_in',
  clinicId: 'c',
  checkInId: `i${n}`,
  appointmentId: `a${n}`,
  patientId: `p${patient}`,
})
const say = (isPresent: boolean, capacity: number | null = null): Command => ({
  type: 'set_availability',
  opening: OPENING,
  id: 'v',
  isPresent,
  notes: null,
  capacity,
})

test('a command for another clinic’s day finds nothing', () => {
  const day = emptyDay()
  apply(day, [], book(1))
  const foreign = { ...OPENING, clinicId: 'other' }
  const commands: Command[] = [
    { ...book(2), opening: foreign } as Command,
    { ...arrive(1), clinicId: 'other' } as Command,
    { ...say(true), opening: foreign } as Command,
  ]
  for (const command of commands)
    expect(decide(day, command, moment)).toEqual({ ok: false, refused: 'not_found' })
})

test.each<[string, Command[], Command, string]>([
  ['an absent doctor', [say(false)], book(1), 'doctor_absent'],
  ['a patient with an appointment', [book(1)], book(8), 'already_booked'],
  ['a full day', [book(1), book(2), book(3)], book(4), 'day_full'],
  ['a capacity below what is taken', [book(1), book(2)], say(true, 1), 'capacity_below_taken'],
  ['an unknown appointment', [book(1)], arrive(2), 'not_found'],
  ['another patient', [book(1)], arrive(1, 2), 'wrong_patient'],
  ['a second check-in', [book(1), arrive(1)], arrive(1), 'already_checked_in'],
])('%s is refused', (_, before, command, refused) => {
  const day = emptyDay()
  for (const earlier of before) apply(day, [], earlier)
  expect(decide(day, command, moment)).toEqual({ ok: false, refused })
})

test('a check-in on the wrong date is refused, in the zone that the day was opened with', () => {
  const day = emptyDay()
  apply(day, [], { ...book(1), opening: { ...OPENING, timeZone: 'Asia/Kolkata' } } as Command)
  const at = (instant: string) => decide(day, arrive(1), { at: Date.parse(instant), actor: 'key' }).ok
  expect(at('2026-03-13T18:29:59Z')).toBe(false)
  expect(at('2026-03-13T18:30:00Z')).toBe(true)
  expect(at('2026-03-14T18:30:00Z')).toBe(false)
})

describe('whatever happens, in any order', () => {
  const command = fc.oneof(
    fc.tuple(fc.nat(40), fc.boolean()).map(
      ([n, another]) =>
        (seen: number) =>
          book(1_000 * seen + n, another),
    ),
    fc.tuple(fc.nat(40), fc.nat(8)).map(
      ([n, patient]) =>
        () =>
          arrive(n, patient),
    ),
    fc.tuple(fc.nat(12)).map(([nth]) => (_: number, booked: string[]) => {
      const id = booked[nth % Math.max(1, booked.length)] ?? 'a0'
      return { ...arrive(0), appointmentId: id, patientId: `p${Number(id.slice(1)) % 7}` } as Command
    }),
    fc.tuple(fc.boolean(), fc.option(fc.integer({ min: 1, max: 6 }))).map(
      ([present, capacity]) =>
        () =>
          say(present, capacity),
    ),
  )

  test('slots have one owner, nothing exceeds capacity, positions are dense, refusals change nothing, replay agrees', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const [day, log]: [Day, Recorded[]] = [emptyDay(), []]
        for (const [index, make] of commands.entries()) {
          const before = structuredClone(day)
          const decision = apply(day, log, make(index, [...day.appointments.keys()]))
          if (!decision.ok) expect(day).toEqual(before)
          const slots = [...day.appointments.values()].map(({ slot }) => slot)
          expect(new Set(slots).size).toBe(slots.length)
          expect(slots.every((slot) => slot >= 1 && slot <= day.capacity)).toBe(true)
          const positions = [...day.checkIns.values()].map(({ position }) => position)
          expect(positions.sort((a, b) => a - b)).toEqual(positions.map((_, at) => at + 1))
        }
        expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1))
        expect(log.reduce(evolve, emptyDay())).toEqual(day)
      }),
      { numRuns: 2_000 },
    )
  })

  test('the reply to a command is what its events make of the day', () => {
    const [day, log]: [Day, Recorded[]] = [emptyDay(), []]
    const booked = apply(day, log, book(1))
    expect(booked).toMatchObject({ ok: true, reply: day.appointments.get('a1') })
    expect(apply(day, log, arrive(1))).toMatchObject({ ok: true, reply: day.checkIns.get('a1') })
    expect(apply(day, log, say(false, 5))).toMatchObject({
      ok: true,
      reply: { ...day.availability, capacity: day.capacity },
    })
  })
})
