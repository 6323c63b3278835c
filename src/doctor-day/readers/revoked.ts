import { logFailure } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import { voidTickets } from '../storage/tickets'
import { CLOSE_CODES, close, openFollowers } from './followers'
import { type KeyWatch, keyWatch } from './key-watch'

/** What becomes of the followers and tickets of keys that were revoked. */
export interface Revocations extends Pick<KeyWatch, 'boardInitials'> {
  isRevoked(keyId: string): Promise<boolean>
  /** Closes the streams of revoked keys. Never throws. */
  closeRevoked(): Promise<void>
  /** When the first key of a follower must be asked about again. */
  dueAt(): number
}

/** `watchAt` sets the alarm of the object. */
export function revocations(
  ctx: DurableObjectState,
  database: D1Database,
  watchAt: (instant: number) => void,
): Revocations {
  const keys = keyWatch(database, ctx.id.name)

  /** What is revoked stays so: its tickets open nothing any more, even while D1 cannot be asked. */
  async function revokedOf(keyIds: string[]): Promise<string[]> {
    const revoked = await keys.revokedOf(keyIds)
    voidTickets(ctx.storage.sql, revoked, Date.now())
    return revoked
  }

  const dueAt = () => keys.dueAt(openFollowers(ctx, Date.now()).map(([, { keyId }]) => keyId))

  return {
    isRevoked: async (keyId) => (await revokedOf([keyId])).length > 0,
    async closeRevoked() {
      const followers = openFollowers(ctx, Date.now())
      if (followers.length === 0) return
      try {
        const revoked = await revokedOf(followers.map(([, { keyId }]) => keyId))
        for (const [socket, { keyId }] of followers)
          if (revoked.includes(keyId)) close(socket, CLOSE_CODES.revoked, 'The API key is no longer valid')
      } catch (error) {
        logFailure('keys_not_asked', error, { day: ctx.id.name })
      }
      watchAt(Math.max(dueAt(), Date.now() + SECOND_MS))
    },
    dueAt,
    boardInitials: keys.boardInitials,
  }
}
