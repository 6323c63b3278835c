import { beginOf, type Slots, timesOf } from '../doctor-day/state/slot-times'
import { iso } from '../lib/time'
import type { AskSlots, FreeSlot } from './model'

/** In which order free slots are listed: by date, then by time, then by doctor, then by number. */

/** The places of one doctor on a date, ascending: the first slot of each. */
export interface OfDoctor {
  doctorId: string
  slots: Slots
  free: number[]
}

/** What of the list of a date a page needs. */
interface Wanted {
  date: string
  span: number
  max: number
  cursor: AskSlots['cursor']
}

/** Slots without times come after the others of their date. Every text of a time is less. */
const NO_TIME = '~'

/**
 * The first free slots of a date, after the cursor. A clinic can have 48,000 of them, at 48 times: so they
 * are laid out by time, as the doctors come, and none is compared with another one.
 * `doctors`: in the order of their ids.
 */
export function firstByTime(doctors: OfDoctor[], { date, span, max, cursor }: Wanted): FreeSlot[] {
  const found: FreeSlot[] = []
  const after = cursor?.[0] === date ? cursor : undefined
  const atTime = layOut(doctors)
  for (const begin of [...atTime.keys()].sort((one, other) => (one < other ? -1 : 1))) {
    const time = begin === Number.POSITIVE_INFINITY ? NO_TIME : iso(begin)
    if (after && time < after[1]) continue
    for (const [{ doctorId, slots }, slot] of atTime.get(begin) ?? []) {
      if (found.length === max) return found
      if (after && time === after[1] && !isBeyond(doctorId, slot, after)) continue
      const { startsAt, endsAt } = timesOf(slots.timetable, slot, span)
      found.push({ doctor_id: doctorId, date, slot, starts_at: startsAt, ends_at: endsAt })
    }
  }
  return found
}

function layOut(doctors: OfDoctor[]): Map<number, [OfDoctor, number][]> {
  const atTime = new Map<number, [OfDoctor, number][]>()
  for (const doctor of doctors)
    for (const slot of doctor.free) {
      const begin = beginOf(doctor.slots.timetable, slot)
      const there = atTime.get(begin)
      if (there) there.push([doctor, slot])
      else atTime.set(begin, [[doctor, slot]])
    }
  return atTime
}

const isBeyond = (
  doctorId: string,
  slot: number,
  [, , id, last]: NonNullable<AskSlots['cursor']>,
): boolean => (doctorId === id ? slot > last : doctorId > id)

/** By which a cursor names a slot. */
export const sortKeyOf = ({
  date,
  starts_at,
  doctor_id,
  slot,
}: FreeSlot): [string, string, string, number] => [
  date,
  starts_at ? new Date(starts_at).toISOString() : NO_TIME,
  doctor_id,
  slot,
]
