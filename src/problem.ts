import type { ContentfulStatusCode } from 'hono/utils/http-status'

/**
 * Every way to refuse. `title` is what the code means, for any request. A `final` refusal was decided by the
 * owner of the fact: a retry with the same Idempotency-Key gets it again. The others may end differently next
 * time.
 */
export const PROBLEMS = {
  invalid_json: { status: 400, title: 'The body is not JSON' },
  invalid_request: { status: 400, title: 'The request breaks a rule' },
  invalid_file: { status: 400, title: 'The file cannot be imported' },
  idempotency_key_required: { status: 400, title: 'An Idempotency-Key is required' },
  wrong_patient: { status: 400, title: 'The appointment is another patient’s', final: true },
  unauthenticated: { status: 401, title: 'No valid API key' },
  scope_missing: { status: 403, title: 'The API key lacks a scope' },
  not_found: { status: 404, title: 'Not found' },
  medical_test_exists: { status: 409, title: 'The medical test is stored already', final: true },
  event_exists: { status: 409, title: 'The event is stored already', final: true },
  clinic_exists: { status: 409, title: 'The clinic exists already', final: true },
  doctor_code_taken: { status: 409, title: 'The doctor code is taken', final: true },
  phone_in_use: { status: 409, title: 'The phone belongs to another patient', final: true },
  key_shown_once: { status: 409, title: 'The secret was shown once and is not stored', final: true },
  already_booked: { status: 409, title: 'The patient has an appointment that day', final: true },
  already_cancelled: { status: 409, title: 'The appointment does not stand any more', final: true },
  no_offer: { status: 409, title: 'No slot is offered yet', final: true },
  moving: { status: 409, title: 'The appointment is being moved' },
  illegal_step: { status: 409, title: 'The step cannot follow', final: true },
  hold_over: { status: 410, title: 'The hold is over', final: true },
  offer_over: { status: 410, title: 'The offer is over', final: true },
  day_full: { status: 409, title: 'The day is full', final: true },
  capacity_below_taken: { status: 409, title: 'More slots are taken than that', final: true },
  hours_in_use: { status: 409, title: 'Taken slots go by the working hours', final: true },
  already_checked_in: { status: 409, title: 'Already checked in', final: true },
  import_not_finished: { status: 409, title: 'The import is still running' },
  import_over: { status: 409, title: 'The import is over' },
  body_too_large: { status: 413, title: 'The body is too large' },
  doctor_absent: { status: 422, title: 'The doctor is absent', final: true },
  wrong_date: { status: 422, title: 'Not the date of the appointment', final: true },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key belongs to another request' },
  internal: { status: 500, title: 'Internal error' },
  live_full: { status: 503, title: 'Too many follow the day' },
  unavailable: { status: 503, title: 'A part of the service is out of reach' },
} as const satisfies Record<string, { status: ContentfulStatusCode; title: string; final?: true }>

export type ProblemCode = keyof typeof PROBLEMS

/**
 * One broken rule of the input. `field` is a path (`patient_id`), `row` a line of a file (the header is row
 * 1).
 */
export interface Fault {
  field: string
  rule: string
  message: string
  row?: number
}

/** A step that is not to be taken: what stands, what was wanted, what could be. */
export interface Transition {
  from: string
  to: string
  allowed: string[]
}

/** A refusal. `sentence` is for the caller and never repeats what was sent where that could be personal. */
export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly sentence: string,
    readonly more: { faults?: Fault[]; retryAfterSeconds?: number; transition?: Transition } = {},
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

export const notFound = (what: string) => new Problem('not_found', `${what} not found`)
