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

/** Of the table `claims`: what D1 knows of a key. */
export const CLAIMED = `claims.fingerprint, claims.op_id AS opId, claims.request_id AS requestId,
  claims.created_at AS claimedAt, claims.reply`

/** Who has claimed the keys of the entries. */
export const READ_CLAIMS = `
  SELECT value->>0 AS op, ${CLAIMED}
  FROM json_each(?1) CROSS JOIN idempotency_keys AS claims
    ON claims.clinic_id = value->>1 AND claims."key" = value->>5
  WHERE claims.expires_at > value->>3`

/** For a statement that reads one row for each entry: the claim of its key, where there is one. */
export const joinClaim = `LEFT JOIN idempotency_keys AS claims
  ON claims.clinic_id = sent.clinic AND claims."key" = sent."key" AND claims.expires_at > sent.at`

/** What D1 knows of a key that was claimed. */
export interface Claimed {
  fingerprint: string
  opId: string
  requestId: string
  /** In epoch milliseconds. */
  claimedAt: number
  reply: string | null
}
