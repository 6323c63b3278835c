import type { ProblemCode } from '../problem'

/** What the page of a problem says besides its meaning; `detail` is a sentence of such an answer. */
export interface Advice {
  cause: string
  action: string
  detail: string
}

export const ADVICE: Record<ProblemCode, Advice> = {
  invalid_json: {
    cause: 'The body is not JSON in UTF-8, or it is a form.',
    action: 'Correct the body at the line and column that the answer names.',
    detail: 'The body is not valid JSON: line 3, column 1: a comma or } was expected',
  },
  invalid_request: {
    cause: 'A field, a parameter or a header is missing, misspelt or has a value that is not possible.',
    action: 'Read errors: each entry names a field, the rule that it breaks, and what to send instead.',
    detail: 'age must be a whole number from 0 to 150',
  },
  invalid_file: {
    cause: 'The file is not CSV in UTF-8, lacks a column, is too large, or has rows that break a rule.',
    action:
      'Read errors, correct these rows and send the file again; with mode=partial its good rows are taken.',
    detail: "Row 7: 'name' is required",
  },
  idempotency_key_required: {
    cause: 'The request starts an import, which a retry must not start twice, and it has no Idempotency-Key.',
    action: 'Send the header Idempotency-Key: a new random text for each new request, the same for a retry.',
    detail: 'Send an Idempotency-Key header: 1 to 255 visible ASCII characters of your choice',
  },
  wrong_patient: {
    cause: 'The body names a patient, and the appointment is another patient’s.',
    action: 'Ask the patient for the appointment, and check in with its patient_id.',
    detail: 'The appointment does not belong to this patient',
  },
  unauthenticated: {
    cause: 'The request has no API key, or one that is unknown or revoked.',
    action: 'Send a valid key as "Authorization: Bearer <key>" or as X-API-Key.',
    detail: 'This API key is unknown or revoked; send a valid one',
  },
  scope_missing: {
    cause: 'The key is valid, but its owner did not grant it this kind of request.',
    action: 'Use a key with the scope that the answer names.',
    detail: 'This request needs an API key with the scope patients:write',
  },
  not_found: {
    cause: 'Nothing has this id or path in the clinic of the key; records of other clinics look the same.',
    action: 'Check the id and the path, and that the key belongs to the right clinic.',
    detail: 'Patient not found',
  },
  method_not_allowed: {
    cause: 'The path exists, but not with this method.',
    action: 'Use one of the methods in the header Allow.',
    detail: 'This path allows GET, HEAD, OPTIONS, POST',
  },
  medical_test_exists: {
    cause: 'A record with this test_id is stored already. It stays as it is.',
    action: 'Nothing, if this was a retry. For another test send another test_id.',
    detail: 'A medical test with this test_id is stored already',
  },
  event_exists: {
    cause: 'An event of this appointment at this instant is stored already, in whatever spelling.',
    action: 'Nothing: the event has arrived.',
    detail: 'This event is stored already',
  },
  clinic_exists: {
    cause: 'A clinic with this id was opened before.',
    action: 'Choose another id, or use the clinic that exists.',
    detail: 'Clinic main already exists',
  },
  doctor_code_taken: {
    cause: 'Another doctor of the clinic has this code.',
    action: 'Choose another code.',
    detail: 'Another doctor has this code',
  },
  phone_in_use: {
    cause: 'A patient with another name has this phone number.',
    action: 'Check the name. If two patients share the phone, send shared_phone: true.',
    detail: 'Another patient has this phone number; if they share it, send shared_phone: true',
  },
  key_shown_once: {
    cause: 'The first request with this Idempotency-Key made the secret, and only its hash is stored.',
    action: 'If that answer was lost, revoke what it made, and create another with a new Idempotency-Key.',
    detail: 'The first request with this Idempotency-Key created the key; revoke that key and create another',
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
    detail: 'The visit is completed; no step is possible any more',
  },
  hold_over: {
    cause: 'The hold was booked, released or has expired; its slot may be taken by another patient.',
    action: 'Hold or book a slot again.',
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
      'a slot of today that has begun is not given any more.',
    action: 'Choose another day, or join the waitlist: a freed slot is offered to it first.',
    detail: 'Dr GH has no available slots on 2027-03-14',
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
      'Nothing, if this was a check-in: the place stays. A patient who has left is not cancelled or moved: ' +
      'call the patient with POST /api/v1/checkins/doctors/{doctor_id}/queue/next, then skip, then no-show.',
    detail: 'The patient has already checked in and is called; if the patient has left: skip, then no-show',
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
  date_past: {
    cause: 'The date is over in the time zone of the clinic.',
    action: 'Choose a date from today on.',
    detail: 'The date is over at the clinic',
  },
  date_too_far: {
    cause: 'The date is further ahead than appointments are made.',
    action: 'Check the year of the date, or choose an earlier one.',
    detail: 'The date is too far ahead',
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
  last_admin_key: {
    cause: 'The clinic has no other key with the scope admin, so it could not be administered any more.',
    action: 'Create another admin key first, then revoke this one.',
    detail: 'This is the last admin key of the clinic; create another one first',
  },
  import_not_finished: {
    cause: 'Rows of the import are still in work.',
    action: 'Follow its status, and repeat the request when it is completed.',
    detail: 'The import is still running',
  },
  import_over: {
    cause: 'The import has completed, failed or was cancelled.',
    action: 'Read its status; failed rows can be repaired with failed.csv.',
    detail: 'The import has already ended',
  },
  body_too_large: {
    cause: 'The body has more bytes than any valid one needs.',
    action: 'Send a smaller body; many records belong into a bulk import.',
    detail: 'The body may have at most 1048576 bytes',
  },
  body_encoded: {
    cause: 'The request says Content-Encoding: gzip, br, deflate or zstd.',
    action: 'Send the body as it is, without Content-Encoding.',
    detail: 'Send the body without Content-Encoding; it may not be compressed',
  },
  doctor_absent: {
    cause: 'The doctor is not present on that day.',
    action: 'Choose another day or another doctor.',
    detail: 'Dr GH is not available on 2027-03-14',
  },
  wrong_date: {
    cause: 'The day is not today in the time zone of the clinic.',
    action: 'Check in on the date of the appointment.',
    detail: 'Check-in is only allowed on appointment date',
  },
  idempotency_key_reused: {
    cause: 'An earlier request has this Idempotency-Key, and it had another path or another body.',
    action: 'Send a new key with each new request. A retry must repeat its request unchanged.',
    detail: 'This Idempotency-Key was used for another request; send a new key',
  },
  internal: {
    cause: 'A fault of the service.',
    action: 'Report the request_id: it is in the log of the service.',
    detail: 'The service failed; report the request_id, which is also in our log',
  },
  newer_version: {
    cause: 'The day was written by a newer version of the service, which this one could misread.',
    action: 'Wait until the deployment has ended, or tell the operator.',
    detail: 'A newer version of the service has written this day',
  },
  secret_missing: {
    cause: 'The operator has not set DOCTORDAY_SECRET.',
    action: 'Tell the operator. The setting is described in docs/deploy.md.',
    detail: 'The operator of this service must set DOCTORDAY_SECRET: at least 32 random characters',
  },
  live_full: {
    cause: 'As many clients follow this day as may do so at a time.',
    action: 'Close followers that are not needed, and connect again later.',
    detail: 'Too many clients follow this day',
  },
  unavailable: {
    cause: 'The database, a queue or a day does not answer at the moment.',
    action: 'Repeat the request with the same Idempotency-Key: it takes effect only once.',
    detail: 'Retry with the same Idempotency-Key; it takes effect only once',
  },
}
