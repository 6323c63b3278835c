import { and, eq, gt, isNull, or } from 'drizzle-orm'
import type { ActingClinic, Ctx } from '../context'
import { isDigestOf, isEqual } from '../lib/crypto'
import type { Db } from '../lib/db'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import { staff } from '../staff/model'
import { budget } from './budget'
import { type KeyText, type Proof, proofOf } from './key-text'
import { apiKeys, clinics, scopesOfKey } from './model'

/**
 * How long an isolate keeps a key in memory, with the zone and the settings of its clinic. What another
 * isolate revokes or changes stays here as it was for as long; only the expiry of a key is exact. Reading the
 * key on each request would be a third of what a request costs.
 */
const KNOWN_MS = 10 * SECOND_MS

const KNOWN_MAX = 1_000

/**
 * Look-ups per second and isolate for keys without a signature. A flood of invented keys would otherwise
 * cost D1 a read each, which it takes from all clinics. A valid key that was found once needs none of them.
 */
export const UNSIGNED_LOOKUPS_PER_SECOND = 20

interface KnownKey {
  secretDigest: Uint8Array
  /** Once a request has proven it. */
  secret?: Uint8Array
  clinic: ActingClinic
  scopes: readonly string[]
  /** The person whose key it is. */
  staffId: string | null
}

interface KeptKey extends KnownKey {
  until: number
  /** The DOCTORDAY_SECRET under which the key was no made-up one; null where its signature is wrong. */
  provenUnder: string | null
}

/** Keys that this isolate has read. */
const known = new Map<string, KeptKey>()
/** Until when an id that D1 does not have, or has as revoked or expired, is not looked up again. */
const absent = new Map<string, number>()
let revocations = 0
const lookups = budget(UNSIGNED_LOOKUPS_PER_SECOND)

/** The key, unless it was revoked, has expired or has another secret. */
export async function findKey(env: Env, db: Db, sent: KeyText): Promise<KnownKey | undefined> {
  const found = await search(env, db, sent)
  return found && isSecretOf(found, sent.secret) ? found : undefined
}

/** A secret that had the right digest is compared itself the next time: a digest takes ten times as long. */
function isSecretOf(key: KnownKey, secret: string): boolean {
  const bytes = Buffer.from(secret, 'latin1')
  if (key.secret && isEqual(bytes, key.secret)) return true
  if (!isDigestOf(secret, key.secretDigest)) return false
  key.secret = bytes
  return true
}

async function search(env: Env, db: Db, sent: KeyText): Promise<KnownKey | undefined> {
  const kept = known.get(sent.id)
  const isFresh = kept !== undefined && Date.now() < kept.until
  // Its signature was checked once; the whole secret, which is compared anyway, proves more.
  if (isFresh && kept.provenUnder === env.DOCTORDAY_SECRET) return kept
  const proof = proofOf(env.DOCTORDAY_SECRET, sent)
  if (!isWorthALookup(proof, env)) return undefined
  return isFresh ? kept : lookUp(env, db, sent.id, proof)
}

/**
 * A signature that is wrong proves that the key was made up, unless the deployment has lost the secret that
 * signed it: then the operator sets KEYS_OF_LOST_SECRET, and D1 is asked as for a key without a signature.
 */
const isWorthALookup = (proof: Proof, env: Env): boolean =>
  proof !== 'wrong' || env.KEYS_OF_LOST_SECRET === 'true'

async function lookUp(env: Env, db: Db, id: string, proof: Proof): Promise<KnownKey | undefined> {
  const now = Date.now()
  const kept = known.get(id)
  if (now < (absent.get(id) ?? 0)) return undefined
  if (!kept && proof !== 'right') countLookup()
  const revocationsBefore = revocations
  // The plain binding reads from the primary: a replica could still contain a revoked key.
  const [row] = await db
    .select({ key: apiKeys, clinic: clinics, role: staff.role })
    .from(apiKeys)
    .innerJoin(clinics, eq(clinics.id, apiKeys.clinicId))
    .leftJoin(staff, eq(staff.id, apiKeys.staffId))
    .where(
      and(
        eq(apiKeys.id, id),
        isNull(apiKeys.revokedAt),
        or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now)),
      ),
    )
  const until = Math.min(now + KNOWN_MS, row?.key.expiresAt ?? Number.POSITIVE_INFINITY)
  if (!row) {
    known.delete(id)
    keep(absent, id, until)
    return undefined
  }
  const { id: clinicId, timeZone, country, settings } = row.clinic
  const found: KnownKey = {
    secretDigest: Buffer.from(row.key.secretHash, 'hex'),
    clinic: { id: clinicId, timeZone, country, settings },
    scopes: scopesOfKey(row),
    staffId: row.key.staffId,
  }
  const provenUnder = proof === 'wrong' ? null : env.DOCTORDAY_SECRET
  // A key that was read before a revocation may be the revoked one.
  const read: KeptKey = { ...found, until, provenUnder }
  if (revocations === revocationsBefore) keep(known, id, read)
  return read
}

function countLookup(): void {
  if (lookups.take('key')) return
  throw new Problem(
    'unavailable',
    'Too many unknown keys of the old form are being looked up; try again, or ask your admin for a new key',
    { retryAfterSeconds: 1 },
  )
}

function keep<Kept>(map: Map<string, Kept>, id: string, kept: Kept): void {
  map.delete(id)
  const [oldest] = map.keys()
  if (map.size >= KNOWN_MAX && oldest !== undefined) map.delete(oldest)
  map.set(id, kept)
}

/** The next request reads the key from D1; a read that is in flight is not kept. */
export function forgetKey(keyId: string): void {
  revocations += 1
  known.delete(keyId)
}

/** As `forgetKey`, for each key of a person whose role has changed, or who has left. */
export const forgetKeysOf = (staffId: string): void => forget((key) => key.staffId === staffId)

/** As `forgetKey`, for each key of a clinic whose zone, country or settings have changed. */
export const forgetClinic = (clinicId: string): void => forget(({ clinic }) => clinic.id === clinicId)

function forget(isMeant: (key: KnownKey) => boolean): void {
  revocations += 1
  for (const [id, key] of known) if (isMeant(key)) known.delete(id)
}

/**
 * For streams, which last longer than a key may stay valid: whether the caller's key was revoked or has
 * expired since, or may do less than when the stream began.
 */
export async function isRevoked({ db, actor }: Ctx): Promise<boolean> {
  const [row] = await db
    .select({ key: apiKeys, role: staff.role })
    .from(apiKeys)
    .leftJoin(staff, eq(staff.id, apiKeys.staffId))
    .where(eq(apiKeys.id, actor.keyId))
  if (!row || row.key.revokedAt !== null) return true
  const held = scopesOfKey(row)
  const isExpired = row.key.expiresAt !== null && row.key.expiresAt <= Date.now()
  return isExpired || actor.scopes.some((scope) => !held.includes(scope))
}
