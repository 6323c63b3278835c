import { SECOND_MS } from '../lib/time'

/**
 * How often something may happen per second, in this isolate and for each name. What one name has used up, no
 * other lacks.
 */
export function budget(perSecond: number) {
  const used = new Map<string, number>()
  let second = 0
  return {
    /** False where nothing is left of this second. */
    take(name: string): boolean {
      const current = Math.floor(Date.now() / SECOND_MS)
      if (current !== second) used.clear()
      second = current
      const count = used.get(name) ?? 0
      if (count >= perSecond) return false
      used.set(name, count + 1)
      return true
    },
    giveBack(name: string): void {
      const count = used.get(name)
      if (count) used.set(name, count - 1)
    },
  }
}
