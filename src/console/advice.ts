import type { ProblemCode } from '../problem'
import { type Advice, DAY_ADVICE } from './day-advice'

export const ADVICE: Record<ProblemCode, Advice> = {
  ...DAY_ADVICE,
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
  unauthenticated: {
    cause: 'The request has no API key, or one that is unknown, revoked or expired.',
    action: 'Send a valid key as "Authorization: Bearer <key>" or as X-API-Key.',
    detail: 'This API key is unknown, revoked or expired; send a valid one',
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
  appointments_ahead: {
    cause: 'The patient who is to be erased has visits today or later.',
    action: 'Cancel the appointments that the answer names, or send cancel_ahead=true.',
    detail: 'The patient has appointments ahead; cancel them, or send cancel_ahead=true',
  },
  phone_in_use: {
    cause: 'Another patient has this phone number.',
    action: 'Check the name. If two patients share the phone, send shared_phone: true.',
    detail: 'Another patient has this phone number; if they share it, send shared_phone: true',
  },
  identifier_in_use: {
    cause: 'Another patient of the clinic has an identifier of the same system and value.',
    action: 'Look that patient up with q or identifier. Correct the identifier, or leave it out.',
    detail: 'Another patient has one of these identifiers; look that patient up, or correct the identifier',
  },
  patient_merged: {
    cause: 'The record was merged into another one of the same person, and only that one is in use.',
    action: 'Use the id that the answer names, or undo the merge.',
    detail: 'This patient was merged into 6f1c2a90-5d0e-4c43-8a3b-0d4f5c1e7b21; use that id',
  },
  too_many_weekly_hours: {
    cause:
      'The doctor has 20 versions of weekly hours that count today or later. None is lost for a new one.',
    action: 'Replace one of them by sending its valid_from, or remove all with weekly_hours: null first.',
    detail:
      'A doctor has at most 20 weekly hours from today on; replace one by sending its valid_from, ' +
      'or remove all with weekly_hours: null',
  },
  too_many_merged: {
    cause: 'A request about a person reads all records of that person, so there may be only so many.',
    action: 'Undo a merge that was a mistake, or leave this record as it is.',
    detail: 'A person may have at most 20 records; undo a merge first',
  },
  not_merged: {
    cause: 'The record was never merged into another one, or the merge was undone before.',
    action: 'Nothing, if this was a retry. Otherwise check the id: it is that of the old record.',
    detail: 'This patient is not merged into another one, or the merge is undone already',
  },
  merge_final: {
    cause: 'A merge can be undone for 30 days.',
    action:
      'If they are two people after all, register the other one with shared_phone: true and a birth date.',
    detail: 'The merge is more than 30 days old, so it cannot be undone',
  },
  same_patient: {
    cause: 'The path and into name the same record.',
    action: 'Name in the path the record that is to go, and in into the one that is to stay.',
    detail: 'into is the same patient; send the id of the other record, which is to stay',
  },
  key_shown_once: {
    cause: 'The first request with this Idempotency-Key made the secret, and only its hash is stored.',
    action: 'If that answer was lost, revoke what it made, and create another with a new Idempotency-Key.',
    detail: 'The first request with this Idempotency-Key created the key; revoke that key and create another',
  },
  last_admin_key: {
    cause: 'The clinic has no other key with the scope admin, so it could not be administered any more.',
    action: 'Create another admin key first, then revoke this one.',
    detail: 'This is the last admin key of the clinic; create another one first',
  },
  key_over: {
    cause: 'The key was revoked, or its expiry has passed. Neither is undone.',
    action: 'Create another key.',
    detail: 'This key was revoked or has expired; create another',
  },
  last_manager: {
    cause:
      'No other manager with a key in use, and no other key of the clinic that never expires and has ' +
      'clinic:admin or admin, would be left: the clinic could not manage its staff and keys any more.',
    action: 'Add another manager, and let them sign in or make a key for them; then try again.',
    detail: 'This person is the last manager of the clinic who can sign in; add another manager first',
  },
  staff_left: {
    cause: 'The person has left: the record stays for the audit, and gets no keys, links or changes.',
    action: 'If the person has come back, add them to the staff again.',
    detail: 'This person has left; add them to the staff again',
  },
  days_ahead: {
    cause: 'The request changes the time zone, and a day that keeps the old one is in use and not over.',
    action: 'Change the zone when no day from yesterday on has been used, or open another clinic.',
    detail:
      'Days from yesterday on are in use, and each keeps its time zone; time_zone can change when none is',
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
  report_too_large: {
    cause: 'A report is counted while its caller waits, and these dates have too many appointments for that.',
    action: 'Ask for fewer dates, or for one doctor with doctor_id, and add the figures up.',
    detail: 'The report would hold more than 50000 appointments; ask for fewer dates or one doctor',
  },
  if_match_required: {
    cause: 'The request changes a record, and does not say which state of it its caller has read.',
    action: 'Read the record, and send the header If-Match with the ETag of that answer.',
    detail: 'Send If-Match with the ETag of the record',
  },
  record_changed: {
    cause: 'Another request has changed the record since it was read, so this one could undo that change.',
    action: 'Read the record again, look at what is there now, and send the new ETag.',
    detail: 'The record has changed since it was read; read it again, and send the ETag of that answer',
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
  secret_missing: {
    cause: 'The operator has not set DOCTORDAY_SECRET.',
    action: 'Tell the operator. The setting is described in docs/deploy.md.',
    detail: 'The operator of this service must set DOCTORDAY_SECRET: at least 32 random characters',
  },
  unavailable: {
    cause: 'The database, a queue or a day does not answer at the moment.',
    action: 'Repeat the request with the same Idempotency-Key: it takes effect only once.',
    detail: 'Retry with the same Idempotency-Key; it takes effect only once',
  },
}
