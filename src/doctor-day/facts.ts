import type { Moment, Refused } from './commands'
import type { Day, Event, Opening, Waiting } from './day'
import type { Refusal } from './refusal'
import { type SlotTimes, scheduleOf, timesOf } from './slot-times'

/** What the rules ask a day, and what several of them answer. */

export const refuse = (refused: Refusal): Refused => ({ ok: false, refused })

/** Refusals that say nothing of what a retry will meet. */
export const isPassing = (refused: Refusal): boolean =>
  ['not_found', 'moving', 'unavailable'].includes(refused)

/** There is no such appointment here; if it was here once, the day knows where it went. */
export function notHere(day: Day, appointmentId: string): Refused {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { ok: false, refused: 'moved', movedTo } : refuse('not_found')
}

/** Between two days an appointment can be neither cancelled nor checked in. */
export const isMoving = (day: Day, appointmentId: string): boolean =>
  [...day.moves.values()].some((move) => move.state === 'reserving' && move.appointmentId === appointmentId)

export const isAbsent = (day: Day): boolean => day.availability?.isPresent === false

export const capacityOf = (day: Day, opening: Opening): number => (day.place ? day : opening).capacity

/** When a slot begins and ends. A day that nobody has touched goes by its opening. */
export const timesOn = (day: Day, { date, timeZone, hours }: Opening, slot: number): SlotTimes =>
  timesOf((day.place ? day : scheduleOf(date, timeZone, hours ?? null)).timetable, slot)

/** The first write to a day puts into its log whose day it is. */
export const openingOf = (day: Day, opening: Opening): Event[] =>
  day.place ? [] : [{ type: 'opened', ...opening }]

export const freeSlots = (day: Day, capacity: number): number[] =>
  Array.from({ length: capacity }, (_, index) => index + 1).filter((slot) => !day.slots.has(slot))

/** One live offer per freed slot, lowest slot first, to those who wait without one, in their order. */
export function offers(day: Day, freed: number[], moment: Moment, isPresent = !isAbsent(day)): Event[] {
  if (!isPresent || freed.length === 0) return []
  const deadline = moment.at + moment.offerMs
  const line = [...day.waitlist.values()].filter(({ offer }) => offer === null)
  return freed
    .sort((one, other) => one - other)
    .slice(0, line.length)
    .flatMap((slot, index): Event[] => {
      const waiting = line[index]
      return waiting ? [{ type: 'offered', waitId: waiting.id, slot, deadline }] : []
    })
}

export const waitOf = (day: Day, patientId: string): Waiting | undefined =>
  [...day.waitlist.values()].find((waiting) => waiting.patientId === patientId)
