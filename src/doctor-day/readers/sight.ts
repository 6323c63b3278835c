import type { Refused } from '../refused'
import { refuse } from '../rules/facts'
import type { Day } from '../state/day'
import { emptyDay, foldUntil } from '../state/fold'
import { type Query, type Sight, view } from '../state/views'
import { readEvents } from '../storage/log'
import { readTexts } from '../storage/texts'

/**
 * What a caller sees of a day: a view of it, now or at an instant (epoch ms), and what is written of the
 * appointment where that is asked for. To a caller of another clinic the day is unused.
 */
export function sightOf<Q extends Query>(
  sql: SqlStorage,
  now: Day,
  clinicId: string,
  query: Q,
  at: number | null,
): Sight<Q> | Refused {
  const { version, identity } = now
  // An unused day has no log to read, and always was as it is now.
  const then = at === null || identity === null ? now : foldUntil(readEvents(sql), at)
  const day = identity?.clinicId === clinicId ? then : emptyDay()
  const seen = view(day, query)
  if (query.view !== 'appointment' || !query.withTexts) return { seen, version }
  const texts = readTexts(sql, day, query.id)
  return texts ? { seen, version, texts } : refuse('day_damaged')
}
