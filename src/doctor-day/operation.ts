import type { Refused } from './commands'

/** Which operation this is (a retry finds its first reply) and which API key asks for it. */
export interface Operation {
  id: string
  actor: string
  /**
   * The caller sent a key of its own: then every answer is remembered, refusals as well, so that a retry
   * cannot end otherwise.
   */
  isKeyed: boolean
}

export type Answer<Reply> = { ok: true; reply: Reply } | Refused
