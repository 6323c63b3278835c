import type { Day, Occupant } from './day'

/** How the fold keeps account of slots and of who has them. */

export function take(day: Day, slot: number, occupant: Occupant): Day {
  day.slots.set(slot, occupant)
  while (day.slots.has(day.lowestFreeSlot)) day.lowestFreeSlot += 1
  return day
}

export function free(day: Day, slot: number): Day {
  day.slots.delete(slot)
  day.lowestFreeSlot = Math.min(day.lowestFreeSlot, slot)
  return day
}

export function countPatient(day: Day, patientId: string): Day {
  day.patients.set(patientId, (day.patients.get(patientId) ?? 0) + 1)
  return day
}

export function forgetPatient(day: Day, patientId: string): Day {
  const left = (day.patients.get(patientId) ?? 1) - 1
  if (left > 0) day.patients.set(patientId, left)
  else day.patients.delete(patientId)
  return day
}
