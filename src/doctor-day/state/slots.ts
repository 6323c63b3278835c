import type { Day, Occupant } from './day'

/** How the fold tracks taken slots, the lowest free slot, and the active appointments of each patient. */

/** The first slot of what takes slots, and how many there are if more than one. */
export interface Place {
  slot: number
  span?: number
}

/** `{ slot: 4, span: 2 }` → 4, 5 */
export const slotsOfPlace = ({ slot, span = 1 }: Place): number[] =>
  Array.from({ length: span }, (_, index) => slot + index)

export function take(day: Day, place: Place, occupant: Occupant): void {
  for (const slot of slotsOfPlace(place)) day.slots.set(slot, occupant)
  while (day.slots.has(day.lowestFreeSlot)) day.lowestFreeSlot += 1
}

export function free(day: Day, place: Place): void {
  for (const slot of slotsOfPlace(place)) day.slots.delete(slot)
  day.lowestFreeSlot = Math.min(day.lowestFreeSlot, place.slot)
}

export function countPatient(day: Day, patientId: string): void {
  day.patients.set(patientId, (day.patients.get(patientId) ?? 0) + 1)
}

export function forgetPatient(day: Day, patientId: string): void {
  const left = (day.patients.get(patientId) ?? 1) - 1
  if (left > 0) day.patients.set(patientId, left)
  else day.patients.delete(patientId)
}
