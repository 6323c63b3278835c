import { HOUR_MS, SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import type { Refusal, Refused } from './refused'
import { UNDO_MS } from './rules/queue'

/** What a caller is told when a day refuses. */

/** The same for an id that no day has made, and for one of another clinic. */
export const NO_RECORD = 'No record with this id was found; check the id'

/** How any day can refuse to be read, and how any day can refuse to be changed: for the OpenAPI document. */
export const DAY_PROBLEMS = ['day_damaged', 'newer_version'] as const
export const CHANGE_PROBLEMS = [...DAY_PROBLEMS, 'day_log_full', 'key_log_full'] as const

/** How a day refuses to have something made on its date. */
export const DATE_PROBLEMS = ['date_over'] as const

/** Why a doctor takes no patients on a date. */
export const OFF_PROBLEMS = ['doctor_absent', 'doctor_retired', 'on_leave', 'clinic_closed'] as const

/** How a day refuses to give the slot that a caller chose. */
export const SLOT_PROBLEMS = ['slot_taken', 'slot_begun', 'no_such_slot'] as const

export const STREAM_REFUSALS = {
  unauthenticated:
    'This ticket was not issued for this day and view, or its API key was revoked; get a new one',
  not_found: NO_RECORD,
  live_full:
    'All places of this day, key or ticket are taken; Retry-After says when one is free at the latest',
  day_damaged:
    'The record of this day is damaged; an administrator has to repair it before the day can be used again',
}

/** The Problem that a caller gets for a day’s refusal. */
export function problemOf({ refused, transition, ...facts }: Refused): Problem {
  const { status, because, dates, alternatives, won, span } = facts
  // `reach` asks the day that an appointment moved to. Here it stopped after DAYS_REACHED_MAX days.
  const known = refused === 'moved' ? 'unavailable' : refused
  const code = Object.hasOwn(REFUSALS, known) ? known : 'newer_version'
  // An answer that a day remembers from before refusals had dates, or a status, has none.
  const told = SENTENCES[code]?.[transition?.from ?? status ?? because ?? ''] ?? REFUSALS[code]
  const fit = span === undefined ? '' : ` for this visit: no ${span} neighbouring ones are free`
  const sentence = dates ? `${told}: ${datesOf(code, dates)}` : won ? `${told}: ${won}` : told + fit
  const instead = alternatives?.map(({ slot, startsAt, endsAt }) =>
    startsAt === null ? { slot } : { slot, starts_at: startsAt, ends_at: endsAt },
  )
  return new Problem(code, sentence, {
    ...(transition && { transition }),
    ...(instead && { alternatives: instead }),
    ...WAITS[code],
  })
}

function datesOf(code: Refusal, { date, today }: { date: string; today: string }): string {
  const what = code === 'wrong_date' ? 'the appointment’s date' : 'the date'
  return `${what} is ${date}, and today at the clinic is ${today}`
}

/** A full log stays full: only what exists can still be ended. */
const FULL = { retryAfterSeconds: HOUR_MS / SECOND_MS }
const WAITS: Partial<Record<Refusal, { retryAfterSeconds: number }>> = {
  day_log_full: FULL,
  key_log_full: FULL,
  day_damaged: { retryAfterSeconds: 60 },
}

const UNDO_SECONDS = UNDO_MS / SECOND_MS

const REFUSALS: Record<Exclude<Refusal, 'moved'>, string> = {
  not_found: NO_RECORD,
  date_over: 'This date is over at the clinic; send today’s date or a later one',
  day_over: 'The last slot of this day has begun, so none can come free; choose another date',
  doctor_absent: 'The doctor is not available on that date',
  doctor_retired: 'The doctor has retired and takes no new patients; choose another doctor',
  on_leave: 'The doctor is on leave on that date; choose another date or another doctor',
  clinic_closed: 'The clinic is closed on that date; choose another date',
  already_booked: 'The patient is already booked that day; to book another visit, send allow_another: true',
  already_cancelled: 'The appointment is no longer booked',
  day_full: 'The doctor has no available slots on that date',
  slot_taken: 'The slot is taken; `alternatives` lists the nearest free ones, or join the waitlist for it',
  slot_begun: 'The slot has begun and is not given any more; `alternatives` lists the nearest free ones',
  no_such_slot:
    'The visit does not fit there: no slot begins then, or it would run into a break or beyond the last ' +
    'slot; `alternatives` lists the nearest free ones',
  break_taken: 'Slots within these breaks are taken; move or cancel what takes them, or choose other breaks',
  capacity_below_taken: 'Slots above this capacity are already taken; send a higher capacity',
  hours_in_use:
    'Slots are taken, and these working hours would change their times; change only the end of the hours',
  hold_over: 'The hold was used or released, or it has expired; hold a slot again',
  no_offer: 'No slot is offered yet; the patient keeps waiting',
  offer_over: 'The offer was accepted or declined, or it has expired; it cannot be used again',
  wrong_patient: 'This appointment does not belong to the patient',
  already_checked_in: 'The patient has already checked in',
  wrong_date: 'Check-in is only allowed on appointment date, and a no-show cannot be recorded before it',
  illegal_step: 'This step is not possible now; `allowed` lists the statuses that a step can lead to',
  too_late_to_undo: `After ${UNDO_SECONDS} seconds only a key with the scope checkins:amend can undo this`,
  moving: 'The appointment is being moved to another day; try again in a moment',
  newer_version:
    'This day was written by a newer version of the service, which has to change it; retry in some minutes',
  day_damaged: STREAM_REFUSALS.day_damaged,
  day_intact: 'The record of this day is not damaged; nothing was changed',
  day_log_full:
    'The day has too many events for new ones; appointments can still be cancelled, checked in and served',
  key_log_full:
    'This API key has made too many changes of this day; what exists can still be cancelled and served',
  already_waiting: 'The patient waits for this day already; leave that place first',
  wish_fulfilled:
    'The patient wished for one of several days, and another one was booked or is being booked: look there',
  wish_undecided:
    'The day that decides on this wish did not answer in time; retry with the same Idempotency-Key',
  waitlist_full: 'The waitlist of this day is full; choose another date',
  unavailable:
    'The other day cannot be reached, and nothing was moved; try again with the same Idempotency-Key',
}

const CALL = 'POST /api/v1/checkins/doctors/{doctor_id}/queue/next'
const ARRIVED = 'The patient has already checked in'
const OVER = 'no step is possible any more'
const AMENDS = 'to undo it, send an API key that has the scope checkins:amend as well'

/** Refusals that depend on what has become of the appointment or the hold, or on another fact. */
const SENTENCES: Partial<Record<Refusal, Record<string, string>>> = {
  no_such_slot: {
    another_date: 'starts_at lies on another date than `date` by the clinic’s clock; send the two of one day',
    untimed:
      'This day has no times, because the doctor has no working hours on it; send slot, the number of a ' +
      'slot, or no choice for the first free one',
  },
  already_cancelled: {
    cancelled: 'The appointment was cancelled; book another one',
    no_show: 'The patient did not come: the appointment was recorded as a no-show; book another one',
  },
  already_checked_in: {
    waiting:
      `${ARRIVED} and is waiting; if that was a mistake: uncheck-in; ` +
      `if the patient has left: call with ${CALL}, then skip, then no-show`,
    called:
      `${ARRIVED} and is called; if that was a mistake: requeue, then uncheck-in; ` +
      'if the patient has left: skip, then no-show',
    skipped: `${ARRIVED} and was skipped; if the patient has left: no-show`,
    served: `${ARRIVED}, and the visit is completed; it can no longer be cancelled, moved or checked in`,
    no_show: `${ARRIVED}, and was then recorded as a no-show; book another appointment`,
  },
  hold_over: {
    booked: 'The hold was used: its slot is booked. To give the slot back, cancel the appointment',
  },
  illegal_step: {
    booked: 'The patient has not checked in; check the patient in first, or record a no-show',
    waiting:
      `The patient is waiting: call the patient with ${CALL} first; then serve, skip or recall. ` +
      'A mistaken check-in: uncheck-in',
    called:
      'The patient is called: serve, skip, recall or requeue; no-show is possible after skip, ' +
      'and uncheck-in after requeue',
    skipped: 'The patient was skipped: requeue, or no-show if the patient has left; uncheck-in after requeue',
    served: `The visit is completed; ${OVER}. If that was a mistake: unserve`,
    cancelled: `The appointment was cancelled; ${OVER}`,
    no_show: `The patient was recorded as a no-show; ${OVER}`,
  },
  too_late_to_undo: {
    waiting: `The patient checked in more than ${UNDO_SECONDS} seconds ago; ${AMENDS}`,
    served: `The visit was completed more than ${UNDO_SECONDS} seconds ago; ${AMENDS}`,
  },
}
