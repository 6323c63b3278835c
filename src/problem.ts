import type { ContentfulStatusCode } from 'hono/utils/http-status'

/**
 * Every refusal. `title` says what the code means for any request. The owner of the fact decided a `final`
 * refusal: a retry with the same Idempotency-Key gets it again. After any other refusal a retry may succeed.
 */
export const PROBLEMS = {
  invalid_json: { status: 400, title: 'Invalid JSON' },
  invalid_request: { status: 400, title: 'Validation failed' },
  invalid_file: { status: 400, title: 'The file cannot be imported' },
  idempotency_key_required: { status: 400, title: 'An Idempotency-Key is required' },
  wrong_patient: { status: 400, title: 'The appointment belongs to another patient', final: true },
  unauthenticated: { status: 401, title: 'No valid API key' },
  scope_missing: { status: 403, title: 'The API key does not have the required scope' },
  not_found: { status: 404, title: 'Not found' },
  medical_test_exists: { status: 409, title: 'The medical test already exists', final: true },
  event_exists: { status: 409, title: 'Duplicate event', final: true },
  clinic_exists: { status: 409, title: 'The clinic already exists', final: true },
  doctor_code_taken: { status: 409, title: 'Another doctor has this code', final: true },
  appointments_ahead: { status: 409, title: 'The patient has appointments ahead' },
  phone_in_use: { status: 409, title: 'Another patient has this phone number', final: true },
  identifier_in_use: { status: 409, title: 'Another patient has this identifier', final: true },
  patient_merged: { status: 409, title: 'The patient was merged into another one', final: true },
  too_many_merged: { status: 409, title: 'The person has too many records', final: true },
  not_merged: { status: 409, title: 'The patient is not merged', final: true },
  merge_final: { status: 409, title: 'The merge can no longer be undone', final: true },
  key_shown_once: { status: 409, title: 'The secret was shown once and cannot be shown again', final: true },
  already_booked: { status: 409, title: 'The patient already has an appointment on that day', final: true },
  already_cancelled: { status: 409, title: 'The appointment is no longer booked', final: true },
  no_offer: { status: 409, title: 'The patient has no offer of a slot yet', final: true },
  moving: { status: 409, title: 'The appointment is being moved to another day' },
  illegal_step: { status: 409, title: 'This step is not possible from the current status', final: true },
  too_late_to_undo: { status: 409, title: 'It is too late to undo this', final: true },
  hold_over: { status: 410, title: 'The hold was used, was released or has expired', final: true },
  already_waiting: { status: 409, title: 'The patient waits for that day already', final: true },
  wish_fulfilled: { status: 409, title: 'Another day of the wish was booked', final: true },
  waitlist_full: { status: 409, title: 'The waitlist of the day is full', final: true },
  offer_over: { status: 410, title: 'The offer was accepted, was declined or has expired', final: true },
  day_full: { status: 409, title: 'The day is full', final: true },
  slot_taken: { status: 409, title: 'The slot is taken', final: true },
  capacity_below_taken: { status: 409, title: 'Slots above this capacity are already taken', final: true },
  break_taken: { status: 409, title: 'Slots within the break are taken', final: true },
  hours_in_use: { status: 409, title: 'The change would move the times of taken slots', final: true },
  already_checked_in: { status: 409, title: 'The patient has already checked in', final: true },
  last_admin_key: { status: 409, title: 'The last admin key of a clinic cannot be revoked' },
  key_over: { status: 409, title: 'The API key was revoked or has expired', final: true },
  last_manager: { status: 409, title: 'The last manager of a clinic stays' },
  staff_left: { status: 409, title: 'The person has left', final: true },
  weekly_hours_decide: { status: 409, title: 'The weekly hours decide about the days of this doctor' },
  too_many_weekly_hours: { status: 409, title: 'The doctor has too many weekly hours ahead' },
  leave_overlaps: { status: 409, title: 'The doctor has a leave on these dates already' },
  leave_over: { status: 409, title: 'The leave has ended' },
  closings_overlap: { status: 409, title: 'The clinic is closed on one of these dates already' },
  days_ahead: { status: 409, title: 'Days from yesterday on are in use' },
  import_not_finished: { status: 409, title: 'The import is still running' },
  day_intact: { status: 409, title: 'The record of this day is not damaged' },
  import_over: { status: 409, title: 'The import has already ended' },
  method_not_allowed: { status: 405, title: 'The route has no such method' },
  record_changed: { status: 412, title: 'The record has changed since it was read' },
  body_too_large: { status: 413, title: 'The body is too large' },
  date_over: { status: 422, title: 'The date is over at the clinic', final: true },
  day_over: { status: 422, title: 'The last slot of the day has begun', final: true },
  slot_begun: { status: 422, title: 'The slot has begun', final: true },
  no_such_slot: { status: 422, title: 'The day has no such slot', final: true },
  body_encoded: { status: 415, title: 'The body is compressed' },
  same_patient: { status: 422, title: 'A patient cannot be merged into itself', final: true },
  service_not_offered: { status: 422, title: 'The doctor does not offer this service' },
  doctor_absent: { status: 422, title: 'The doctor is absent', final: true },
  doctor_retired: { status: 422, title: 'The doctor has retired' },
  on_leave: { status: 422, title: 'The doctor is on leave' },
  clinic_closed: { status: 422, title: 'The clinic is closed' },
  wrong_date: { status: 422, title: 'Today is not the date of the appointment', final: true },
  report_too_large: { status: 422, title: 'The report is too large' },
  if_match_required: { status: 428, title: 'If-Match is required' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used for another request' },
  day_log_full: { status: 429, title: 'The day has too many events' },
  key_log_full: { status: 429, title: 'The API key has made too many changes of the day' },
  internal: { status: 500, title: 'Internal error' },
  newer_version: { status: 503, title: 'A newer version of the service has written this day' },
  day_damaged: { status: 503, title: 'The record of this day is damaged' },
  secret_missing: { status: 503, title: 'The service is not set up' },
  live_full: { status: 503, title: 'Too many clients follow this day' },
  wish_undecided: { status: 503, title: 'It is not decided yet which day is booked' },
  unavailable: { status: 503, title: 'A part of the service cannot be reached' },
} as const satisfies Record<string, { status: ContentfulStatusCode; title: string; final?: true }>

export type ProblemCode = keyof typeof PROBLEMS

/** What a fault can be. A client may branch on these words; the sentences may change. */
export const RULES = {
  required: 'the field is missing or empty',
  unknown: 'no field has this name',
  type: 'the value has another JSON type',
  choice: 'the value is not one of the listed ones',
  length: 'the text or list is too short or too long',
  range: 'the number is too small, too large or not whole',
  format: 'the text does not have the form that is needed',
  text: 'the text holds characters that cannot be seen or stored, or is blank',
  value: 'the value is not possible together with the others, or by itself',
  unique: 'the value, or the parameter, occurs twice',
  idempotency_key: 'the key is not a valid key, or header and body name two',
  phone: 'the phone number is not possible',
  another_day: 'the appointments cannot move to the day that they are on',
  multipart: 'the multipart body is broken',
  file: 'more than one file was sent',
  file_name: 'the name of the file does not end with .csv, .ndjson or .jsonl',
  file_size: 'the file has too many bytes',
  rows: 'the file has too many rows',
  empty: 'the file has no rows',
  utf8: 'the file is not UTF-8',
  csv: 'the file is not CSV',
  json: 'the file is not NDJSON, or a line of it is not a JSON object',
  quote: 'a quote of the file is in the wrong place',
  column: 'a column is missing or occurs twice',
  columns: 'a row has more or fewer cells than the header',
  record_size: 'a row of the file is too long',
  row_number: 'the cell does not hold the number of a row',
  answers: 'the store did not answer',
  trimmed: 'the cell of the file was longer than is kept',
  failed_row: 'the row did not fail, so it cannot be repaired',
} as const

export type Rule = keyof typeof RULES

/** One broken rule of the input. `field` is a path (`patient_id`), `row` a file's line (the header is 1). */
export interface Fault {
  field: string
  /** One of `RULES`. */
  rule: string
  message: string
  row?: number
}

/** A step that is not possible: the current status, the requested status, and the possible ones. */
export interface Transition {
  from: string
  to: string
  allowed: string[]
}

/** A refusal. `sentence` is for the caller; it never repeats input that could be personal. */
export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly sentence: string,
    readonly more: {
      faults?: Fault[]
      /** How many faults there are beyond `faults`. */
      faultsLeftOut?: number
      retryAfterSeconds?: number | undefined
      transition?: Transition
      /** Free slots that the caller can have instead, as an answer shows them. */
      alternatives?: object[] | undefined
      /** The ids of appointments that are in the way. */
      appointments?: string[]
    } = {},
  ) {
    super(code)
  }

  get status(): ContentfulStatusCode {
    return PROBLEMS[this.code].status
  }

  /** Whether a retry with the same Idempotency-Key must get this refusal again. */
  get isFinal(): boolean {
    return 'final' in PROBLEMS[this.code]
  }
}

export const keyReused = () =>
  new Problem('idempotency_key_reused', 'This Idempotency-Key was used for another request; send a new key')

export const notFound = (what: string) => new Problem('not_found', `${what} not found`)
