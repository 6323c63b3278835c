/** Each claim deletes up to this many expired keys of the lot's clinics, so the table holds about a day's. */
const SWEPT_PER_CLAIM = 2

export const SWEEP = `DELETE FROM idempotency_keys WHERE rowid IN (
  SELECT idempotency_keys.rowid FROM json_each(?1) CROSS JOIN idempotency_keys
    ON clinic_id = value->>1 AND expires_at <= value->>3
  WHERE value->>5 IS NOT NULL LIMIT ${SWEPT_PER_CLAIM} * json_array_length(?1))`

/** The operation that an entry belongs to; NULL where another request has its key. */
export const OPERATION = `iif(value->>5 IS NULL, value->>0, (SELECT op_id FROM idempotency_keys
  WHERE clinic_id = value->>1 AND "key" = value->>5 AND fingerprint = value->>6))`

/** The first request with a key claims it. */
export const claimIf = (sent: string, found: string): string => `
  INSERT INTO idempotency_keys (clinic_id, "key", fingerprint, op_id, request_id, created_at, expires_at)
  SELECT clinic, "key", fingerprint, asked, request, at, expires FROM ${sent}
  WHERE "key" IS NOT NULL AND ${found}
  ON CONFLICT (clinic_id, "key") DO UPDATE SET
    fingerprint = excluded.fingerprint, op_id = excluded.op_id, request_id = excluded.request_id,
    created_at = excluded.created_at, expires_at = excluded.expires_at, reply = NULL
  WHERE idempotency_keys.expires_at <= excluded.created_at`

/** Who has claimed the keys of the entries. */
export const READ_CLAIMS = `
  SELECT value->>0 AS op, fingerprint, op_id AS opId, request_id AS requestId, created_at AS claimedAt, reply
  FROM json_each(?1) CROSS JOIN idempotency_keys
    ON clinic_id = value->>1 AND idempotency_keys."key" = value->>5
  WHERE expires_at > value->>3`

/** What D1 knows of a key that was claimed. */
export interface Claimed {
  fingerprint: string
  opId: string
  requestId: string
  /** In epoch milliseconds. */
  claimedAt: number
  reply: string | null
}
