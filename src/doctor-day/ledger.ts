import type { Day, Occupant } from './day'
import { type SlotTimes, timesOf } from './slot-times'

/** A slot, when it is, and who has it; null is free. */
interface LedgerSlot extends SlotTimes {
  slot: number
  occupant: Occupant | null
}

/** The numbers of a day. booked + held + offered + remaining = capacity, at every version. */
export interface Ledger {
  date: string
  timeZone: string
  isPresent: boolean
  capacity: number
  booked: number
  held: number
  offered: number
  remaining: number
  waiting: number
  version: number
  slots: LedgerSlot[]
}

export function ledgerOf(day: Day): Ledger {
  const held = day.holds.size + day.reservations.size
  const offered = [...day.waitlist.values()].filter(({ offer }) => offer).length
  const slots = Array.from({ length: day.capacity }, (_, index) => ({
    slot: index + 1,
    ...timesOf(day.timetable, index + 1),
    occupant: day.slots.get(index + 1) ?? null,
  }))
  return {
    date: day.place?.date ?? '',
    timeZone: day.timeZone,
    isPresent: day.availability?.isPresent ?? true,
    capacity: day.capacity,
    booked: day.slots.size - held - offered,
    held,
    offered,
    remaining: day.capacity - day.slots.size,
    waiting: day.waitlist.size - offered,
    version: day.version,
    slots,
  }
}
