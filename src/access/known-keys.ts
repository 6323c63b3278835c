import { and, eq, isNull } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { Db } from '../lib/db'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import { budget } from './budget'
import type { KeyText } from './key-text'
import { apiKeys, clinics } from './model'

/**
 * How long an isolate keeps a key in memory. A key that another isolate revokes stays valid here for as long.
 * Reading the key on each request would be a third of what a request costs.
 */
const KNOWN_MS = 10 * SECOND_MS

const KNOWN_MAX = 1_000

/**
 * Look-ups per second and isolate for keys without a signature. A flood of invented keys would otherwise
 * cost D1 a read each, which it takes from all clinics. A valid key that was found once needs none of them.
 */
export const UNSIGNED_LOOKUPS_PER_SECOND = 20

interface KnownKey {
  key: typeof apiKeys.$inferSelect
  secretDigest: Uint8Array
  clinic: typeof clinics.$inferSelect
}

/** Keys that this isolate has read. A caller's secret is compared on each request. */
const known = new Map<string, KnownKey & { until: number }>()
/** Until when an id that D1 does not have, or has as revoked, is not looked up again. */
const absent = new Map<string, number>()
let revocations = 0
const lookups = budget(UNSIGNED_LOOKUPS_PER_SECOND)

/** The key and its clinic, unless it was revoked. */
export async function findKey(db: Db, { id, proof }: KeyText): Promise<KnownKey | undefined> {
  const now = Date.now()
  const kept = known.get(id)
  if (kept && now < kept.until) return kept
  if (now < (absent.get(id) ?? 0)) return undefined
  if (!kept && proof !== 'right') countLookup()
  const revocationsBefore = revocations
  // The plain binding reads from the primary: a replica could still contain a revoked key.
  const [row] = await db
    .select({ key: apiKeys, clinic: clinics })
    .from(apiKeys)
    .innerJoin(clinics, eq(clinics.id, apiKeys.clinicId))
    .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt)))
  const until = now + KNOWN_MS
  if (!row) {
    known.delete(id)
    keep(absent, id, until)
    return undefined
  }
  const found = { ...row, secretDigest: Buffer.from(row.key.secretHash, 'hex') }
  // A key that was read before a revocation may be the revoked one.
  if (revocations === revocationsBefore) keep(known, id, { ...found, until })
  return found
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

/** For streams, which last longer than a key may stay valid: whether the caller's key was revoked since. */
export async function isRevoked({ db, actor }: Ctx): Promise<boolean> {
  const [row] = await db
    .select({ revokedAt: apiKeys.revokedAt })
    .from(apiKeys)
    .where(eq(apiKeys.id, actor.keyId))
  return row === undefined || row.revokedAt !== null
}
