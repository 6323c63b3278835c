import { logFailure } from '../../lib/log'
import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'

/**
 * A key that was revoked, has expired or may not read queues any more may follow for at most ten seconds: the
 * day asks D1 this often about the keys of its followers, in one query by primary key, and takes at most
 * KEYS_MS_MAX for it. Without followers it asks nothing. A day that is followed for eight hours costs 3,600
 * such queries and alarms.
 */
export const KEYS_ASKED_EVERY_MS = 8 * SECOND_MS
const KEYS_MS_MAX = SECOND_MS

/** Many screens that reconnect at once with one key cause one query. */
const ANSWER_MS = SECOND_MS

/**
 * The scopes are a JSON array of names; a person's change with the role. What the clinic says of initials on
 * boards comes with it.
 */
const ASK = `SELECT api_keys.id, clinics.settings->>'boardInitials' AS boardInitials,
    revoked_at IS NOT NULL OR expires_at IS NOT NULL AND expires_at <= ?2
      OR (instr(scopes, '"checkins:read"') = 0 AND instr(scopes, '"*"') = 0) AS isRevoked
  FROM json_each(?1) CROSS JOIN api_keys ON api_keys.id = value
    LEFT JOIN clinics ON clinics.id = api_keys.clinic_id`

interface Found {
  id: string
  boardInitials: 0 | 1 | null
  isRevoked: 0 | 1
}

export interface KeyWatch {
  /** Those that may not follow any more. None if D1 does not answer: an outage closes no stream. */
  revokedOf(keyIds: Iterable<string>): Promise<string[]>
  /** When the first of the keys must be asked about again. */
  dueAt(keyIds: Iterable<string>): number
  /**
   * Whether the clinic wants boards to show initials, as last heard. Null: it does not say. Undefined: D1 has
   * not answered yet.
   */
  boardInitials(): boolean | null | undefined
}

export function keyWatch(database: D1Database, day: string | undefined): KeyWatch {
  const askedAt = new Map<string, number>()
  let boardInitials: boolean | null | undefined

  async function ask(keyIds: string[]): Promise<string[]> {
    const { results } = await database.prepare(ASK).bind(JSON.stringify(keyIds), Date.now()).all<Found>()
    const [first] = results
    if (first) boardInitials = first.boardInitials === null ? null : first.boardInitials === 1
    return results.filter(({ isRevoked }) => isRevoked === 1).map(({ id }) => id)
  }

  return {
    async revokedOf(keyIds) {
      const now = Date.now()
      const wanted = [...new Set(keyIds)].filter((id) => now - (askedAt.get(id) ?? 0) >= ANSWER_MS)
      if (wanted.length === 0) return []
      try {
        const revoked = await withTimeout(ask(wanted), KEYS_MS_MAX)
        for (const [id, at] of askedAt) if (now - at > KEYS_ASKED_EVERY_MS) askedAt.delete(id)
        for (const id of wanted) if (!revoked.includes(id)) askedAt.set(id, now)
        return revoked
      } catch (error) {
        logFailure('keys_not_asked', error, { day })
        for (const id of wanted) askedAt.set(id, now)
        return []
      }
    },
    dueAt(keyIds) {
      const dues = [...keyIds].map(
        (id) => (askedAt.get(id) ?? Date.now() - KEYS_ASKED_EVERY_MS) + KEYS_ASKED_EVERY_MS,
      )
      return Math.min(Number.POSITIVE_INFINITY, ...dues)
    },
    boardInitials: () => boardInitials,
  }
}
