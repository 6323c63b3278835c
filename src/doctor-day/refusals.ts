import { Problem } from '../problem'
import type { Refused } from './commands'
import type { Refusal } from './refusal'

const SENTENCES: Record<Exclude<Refusal, 'moved'>, string> = {
  not_found: 'Nothing of that id was found on this day',
  doctor_absent: 'The doctor is not available on that date',
  already_booked: 'The patient is booked that day already; for a second visit send allow_another: true',
  already_cancelled: 'The appointment does not stand any more',
  day_full: 'The doctor has no available slots on that date',
  capacity_below_taken: 'Slots beyond that capacity are taken already',
  hours_in_use:
    'Slots are taken, and other working hours would move their times; only the end of the hours may change',
  hold_over: 'The hold was used, released or has expired',
  no_offer: 'No slot is offered yet; the patient keeps waiting',
  offer_over: 'The offer was accepted, declined or has lapsed',
  wrong_patient: 'This appointment does not belong to the patient',
  already_checked_in: 'The patient has already checked in',
  wrong_date: 'Check-in is only allowed on appointment date, and nobody has failed to come before it',
  illegal_step: 'This step cannot follow what stands',
  moving: 'The appointment is on its way to another day; try again in a moment',
  unavailable:
    'The other day is out of reach, and nothing was moved; try again with the same Idempotency-Key',
}

/** What a caller is told of a day's refusal. */
export function problemOf({ refused, transition }: Refused): Problem {
  // Whoever is told that an appointment has moved asks there; here the trail has no end.
  const code = refused === 'moved' ? 'unavailable' : refused
  return new Problem(code, SENTENCES[code], transition && { transition })
}
