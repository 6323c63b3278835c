import type { ProblemCode } from '../problem'

/** What the page of a problem says besides its meaning; `detail` is a sentence of such an answer. */
export interface Advice {
  cause: string
  action: string
  detail: string
}

/** For the refusals of a doctor’s day, and of what follows it. */
export const DAY_ADVICE = {
  wrong_patient: {
    cause: 'The body names a patient, and the appointment is another patient’s.',
    action: 'Ask the patient for the appointment, and check in with its patient_id.',
    detail: 'The appointment does not belong to this patient',
  },
  already_booked: {
    cause: 'The patient has an appointment with this doctor on that day.',
    action: 'Use that appointment. If the patient needs two, send allow_another: true.',
    detail: 'The patient already has an appointment with this doctor on that day',
  },
  already_cancelled: {
    cause: 'The appointment was cancelled, or its patient did not come.',
    action: 'Book a new appointment.',
    detail: 'The appointment was cancelled; book another one',
  },
  no_offer: {
    cause: 'No slot is offered to this place on the waitlist: each freed slot goes to one patient at a time.',
    action: 'Wait until the waiting place has an offer, and accept it before it expires.',
    detail: 'The patient has no offer of a slot yet',
  },
  moving: {
    cause: 'The appointment is on its way to another day, which takes a moment.',
    action: 'Repeat the request after a second.',
    detail: 'The appointment is being moved to another day',
  },
  illegal_step: {
    cause: 'The patient’s status does not allow this step; another desk may have been faster.',
    action:
      'Read allowed: the statuses that a step can lead to. A waiting patient must be called first, ' +
      'with POST /api/v1/checkins/doctors/{doctor_id}/queue/next.',
    detail: 'The visit is completed; no step is possible any more. If that was a mistake: unserve',
  },
  too_late_to_undo: {
    cause: 'A key that checks patients in can undo a check-in or a completed visit for one minute.',
    action: 'Repeat it, with a new Idempotency-Key, with an API key that also has the scope checkins:amend.',
    detail: 'The patient checked in more than 60 seconds ago',
  },
  hold_over: {
    cause: 'The hold was booked, released or has expired; its slot may be taken by another patient.',
    action: 'Hold or book a slot again. To give back a slot that was booked, cancel the appointment.',
    detail: 'The hold was used, was released or has expired',
  },
  offer_over: {
    cause: 'The offer was accepted, was declined or has expired; the slot goes to the next patient.',
    action: 'Join the waitlist again, or book another day.',
    detail: 'The offer was accepted, was declined or has expired',
  },
  day_full: {
    cause:
      'All slots of the doctor on that day are taken, held or offered, or have begun: ' +
      'a slot of today that has begun is not given any more. ' +
      'A visit of several slots needs neighbouring ones.',
    action: 'Choose another day, or join the waitlist: a freed slot is offered to it first.',
    detail: 'The doctor has no available slots on that date',
  },
  service_not_offered: {
    cause: 'The service names the doctors who offer it, and this doctor is not among them.',
    action: 'Choose a doctor of GET /api/v1/slots?service=, or add the doctor to the service.',
    detail: 'The doctor does not offer this service',
  },
  slot_taken: {
    cause: 'The slot that was chosen is booked, held or offered to another patient.',
    action: 'Choose one of alternatives: the nearest free slots. Or join the waitlist for this slot.',
    detail: 'The slot is taken; `alternatives` lists the nearest free ones, or join the waitlist for it',
  },
  slot_begun: {
    cause: 'The slot that was chosen has begun, or is over.',
    action:
      'Choose one of alternatives. To record a visit afterwards, send back_dated: true with a key that has ' +
      'the scope appointments:backdate.',
    detail: 'The slot has begun and is not given any more; `alternatives` lists the nearest free ones',
  },
  no_such_slot: {
    cause:
      'No slot of the day has this number or begins at this time, or a visit of several slots does not fit ' +
      'before the next break or the end of the day.',
    action: 'Choose one of alternatives, or ask GET /api/v1/doctors/{id}/slots which slots are free.',
    detail: 'The visit does not fit there: no slot begins then',
  },
  break_taken: {
    cause: 'A break takes each slot that it touches, and one of them is booked, held or offered.',
    action: 'Move or cancel what takes these slots, or choose another time for the break.',
    detail: 'Slots within these breaks are taken',
  },
  capacity_below_taken: {
    cause: 'A slot above the wished capacity is taken.',
    action: 'Move its appointment first, or choose a larger capacity.',
    detail: 'Slots above this capacity are already taken',
  },
  hours_in_use: {
    cause: 'Slots of the day are taken, and other hours would move their times.',
    action: 'Only let the hours end earlier or later, or move the appointments first.',
    detail: 'The change would move the times of taken slots',
  },
  already_checked_in: {
    cause: 'The patient has a place in the queue, or the visit is completed.',
    action:
      'Nothing, if this was a check-in: the place stays. A mistaken check-in is undone with uncheck-in, ' +
      'and then the appointment can be cancelled or moved. A patient who has left is neither: ' +
      'call the patient with POST /api/v1/checkins/doctors/{doctor_id}/queue/next, then skip, then no-show.',
    detail: 'The patient has already checked in and is called; if the patient has left: skip, then no-show',
  },
  already_waiting: {
    cause: 'The patient has another place on the waitlist of that day, by itself or for another wish.',
    action: 'Keep that place, or leave it first.',
    detail: 'The patient waits for this day already; leave that place first',
  },
  wish_fulfilled: {
    cause: 'The patient wished for one of several days, and another one of them was booked first.',
    action: 'Nothing: the patient has an appointment on the date that the answer names.',
    detail:
      'The patient wished for one of several days, and another one was booked or is being booked: 2026-11-24',
  },
  wish_undecided: {
    cause: 'The day that decides which date fulfils the wish could not be asked, or is deciding.',
    action: 'Retry with the same Idempotency-Key. The slot is kept for the patient until then.',
    detail: 'The day that decides on this wish did not answer in time; retry with the same Idempotency-Key',
  },
  waitlist_full: {
    cause: 'As many patients wait for a slot of that day as may wait.',
    action: 'Choose another day or another doctor.',
    detail: 'The waitlist of the day is full',
  },
  day_intact: {
    cause: 'A repair was asked for, and the record of the day is complete and unchanged.',
    action: 'Nothing: the day works.',
    detail: 'The record of this day is not damaged',
  },
  day_over: {
    cause: 'All slots of the doctor on that day have begun, so no slot can be offered to a waiting patient.',
    action: 'Choose another day. A patient who is at the clinic can be taken as a walk-in.',
    detail: 'The last slot of this day has begun, so none can come free; choose another date',
  },
  date_over: {
    cause: 'The date is over in the time zone of the clinic.',
    action: 'Choose a date from today on.',
    detail: 'The date is over at the clinic',
  },
  day_log_full: {
    cause: 'So much has happened on this day of the doctor that its record may not grow any more.',
    action: 'Stop what repeats, like a loop that holds and releases slots. Reading the day still works.',
    detail: 'The day has too many events',
  },
  key_log_full: {
    cause: 'One API key may make only so many changes of one day, so that it cannot fill the record.',
    action: 'Stop what repeats, like a loop that holds and releases slots. Other keys still work.',
    detail: 'The API key has made too many changes of the day',
  },
  day_damaged: {
    cause: 'The record of the day is lost, cut or changed; a slot could be given twice.',
    action: 'Tell the operator, who repairs the day or accepts the loss. Other days go on.',
    detail: 'The record of this day is damaged',
  },
  doctor_absent: {
    cause: 'The doctor is not present on that day.',
    action: 'Choose another day or another doctor.',
    detail: 'Dr GH is not available on 2027-03-14',
  },
  weekly_hours_decide: {
    cause:
      'The doctor has weekly hours, which say the hours and the slots of each day: nothing would change.',
    action:
      'Send weekly_hours with the change, or weekly_hours: null in the same request to go without them.',
    detail:
      'The weekly hours of this doctor decide since 2026-11-30, so working_hours and capacity would change ' +
      'no day; send weekly_hours with the change, or weekly_hours: null to remove them',
  },
  leave_overlaps: {
    cause: 'A leave of the doctor covers one of the dates, or is being cancelled there.',
    action: 'Send other dates, or cancel that leave and retry in some seconds.',
    detail: 'The doctor has a leave on one of these dates already; send other dates, or cancel that leave',
  },
  leave_over: {
    cause: 'The leave was completed or cancelled, so this step is not possible any more.',
    action: 'Read the leave; declare another one for the dates that are left.',
    detail: 'The leave has ended or was cancelled; GET shows its status',
  },
  closings_overlap: {
    cause: 'Another closing covers one of the dates.',
    action: 'Send the other dates alone, or delete that closing first.',
    detail: 'The clinic is closed on one of these dates already',
  },
  doctor_retired: {
    cause: 'The doctor has retired. What was booked stands, and can be moved, cancelled and served.',
    action: 'Choose another doctor, or reinstate this one.',
    detail: 'The doctor has retired and takes no new patients; choose another doctor',
  },
  on_leave: {
    cause: 'A leave of the doctor covers the date.',
    action: 'Choose another date or another doctor, or end the leave for the date.',
    detail: 'The doctor is on leave on that date; choose another date or another doctor',
  },
  clinic_closed: {
    cause: 'A closing of the clinic covers the date, and the doctor’s day was not opened since.',
    action: 'Choose another date, or set the doctor present on the date.',
    detail: 'The clinic is closed on that date; choose another date',
  },
  wrong_date: {
    cause: 'The day is not today in the time zone of the clinic.',
    action: 'Check in on the date of the appointment.',
    detail: 'Check-in is only allowed on appointment date',
  },
  newer_version: {
    cause: 'The day was written by a newer version of the service, which this one could misread.',
    action: 'Wait until the deployment has ended, or tell the operator.',
    detail: 'A newer version of the service has written this day',
  },
  live_full: {
    cause: 'As many clients follow this day as may do so at a time.',
    action: 'Close followers that are not needed, and connect again later.',
    detail: 'Too many clients follow this day',
  },
} as const satisfies Partial<Record<ProblemCode, Advice>>
