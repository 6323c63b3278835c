import type { Day, Occupant } from './day'

/** How the fold tracks taken slots, the lowest free slot, and the active appointments of each patient. */

export function take(day: Day, slot: number, occupant: Occupant): void {
  day.slots.set(slot, occupant)
  while (day.slots.has(day.lowestFreeSlot)) day.lowestFreeSlot += 1
}

export function free(day: Day, slot: number): void {
  day.slots.delete(slot)
  day.lowestFreeSlot = Math.min(day.lowestFreeSlot, slot)
}

export function countPatient(day: Day, patientId: string): void {
  day.patients.set(patientId, (day.patients.get(patientId) ?? 0) + 1)
}

export function forgetPatient(day: Day, patientId: string): void {
  const left = (day.patients.get(patientId) ?? 1) - 1
  if (left > 0) day.patients.set(patientId, left)
  else day.patients.delete(patientId)
}
