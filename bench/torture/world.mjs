// What the clients know: everything they asked for, what was acknowledged, and every promise they saw broken.

/** Of each check; more of a kind would say no more. */
const TOLD_MAX = 100

export function newWorld(seed) {
  const broken = []
  const done = {}
  return {
    seed,
    clinics: [],
    broken,
    /** How often each thing was done, and how it was answered. */
    done,
    requests: 0,
    cuts: 0,
    /** Days on which a doctor was said to fall ill: the service itself moves appointments of those. */
    struckDays: new Set(),
    /** Facts by what they are of, as the service has told them. */
    acknowledged: new Map(),
    isOver: false,
    breaks(check, what) {
      broken.push({ check, what })
    },
    count(what, answer) {
      done[what] ??= {}
      done[what][answer] = (done[what][answer] ?? 0) + 1
    },
    acknowledge(what, fact) {
      if (!this.acknowledged.has(what)) this.acknowledged.set(what, [])
      this.acknowledged.get(what).push(fact)
    },
    all(what, clinic) {
      return (this.acknowledged.get(what) ?? []).filter((fact) => !clinic || fact.clinic === clinic)
    },
  }
}

export const dayName = ({ doctor, date }) => `${doctor} ${date}`

/** Broken promises by check. */
export function brokenLines({ broken }) {
  const byCheck = Object.groupBy(broken, ({ check }) => check)
  return Object.entries(byCheck).flatMap(([check, found]) => [
    `BROKEN ${check} (${found.length})`,
    ...found.slice(0, TOLD_MAX).map(({ what }) => `  ${what}`),
    ...(found.length > TOLD_MAX ? [`  and ${found.length - TOLD_MAX} more`] : []),
  ])
}
