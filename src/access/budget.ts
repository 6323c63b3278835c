import { SECOND_MS } from '../lib/time'

/**
 * How often something may happen per second, in this isolate and for each name: no name takes from another.
 * The counts last for their second only, so a request that is cut off midway takes nothing for longer.
 */
export function budget(perSecond: number) {
  const used = new Map<string, number>()
  let second = 0

  function usedBy(name: string): number {
    const current = Math.floor(Date.now() / SECOND_MS)
    if (current !== second) used.clear()
    second = current
    return used.get(name) ?? 0
  }

  const hasLeft = (name: string): boolean => usedBy(name) < perSecond
  return {
    hasLeft,
    /** False where nothing is left of this second. */
    take(name: string): boolean {
      if (!hasLeft(name)) return false
      used.set(name, usedBy(name) + 1)
      return true
    },
    giveBack(name: string): void {
      used.set(name, Math.max(0, usedBy(name) - 1))
    },
  }
}
