import { and, eq, isNull } from 'drizzle-orm'
import type { Db } from '../lib/db'
import { SECOND_MS } from '../lib/time'
import { apiKeys, clinics } from './model'

/**
 * How long an isolate keeps a key in memory. A key that another isolate revokes stays valid here for as long.
 * Reading the key on each request would be a third of what a request costs.
 */
const KNOWN_MS = 10 * SECOND_MS

const KNOWN_MAX = 1_000

interface KnownKey {
  key: typeof apiKeys.$inferSelect
  secretDigest: Uint8Array
  clinic: typeof clinics.$inferSelect
}

/** Keys that this isolate has read. A caller's secret is compared on each request. */
const known = new Map<string, KnownKey & { until: number }>()
let revocations = 0

/** The key and its clinic, unless it was revoked. */
export async function findKey(db: Db, keyId: string): Promise<KnownKey | undefined> {
  const now = Date.now()
  const kept = known.get(keyId)
  if (kept && now < kept.until) return kept
  known.delete(keyId)
  const revocationsBefore = revocations
  // The plain binding reads from the primary: a replica could still contain a revoked key.
  const [row] = await db
    .select({ key: apiKeys, clinic: clinics })
    .from(apiKeys)
    .innerJoin(clinics, eq(clinics.id, apiKeys.clinicId))
    .where(and(eq(apiKeys.id, keyId), isNull(apiKeys.revokedAt)))
  const found = row && { ...row, secretDigest: Buffer.from(row.key.secretHash, 'hex') }
  // A key that was read before a revocation may be the revoked one.
  if (found && revocations === revocationsBefore) keep(keyId, { ...found, until: now + KNOWN_MS })
  return found
}

function keep(keyId: string, found: KnownKey & { until: number }): void {
  const [oldest] = known.keys()
  if (known.size >= KNOWN_MAX && oldest !== undefined) known.delete(oldest)
  known.set(keyId, found)
}

/** The next request reads the key from D1; a read that is in flight is not kept. */
export function forgetKey(keyId: string): void {
  revocations += 1
  known.delete(keyId)
}
