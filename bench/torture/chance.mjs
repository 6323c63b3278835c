import { seeded } from './worker/seeded.ts'

/** Each name has its own generator, so that using one more often does not change the others. */
export function chanceOf(seed, name) {
  const next = seeded(mixed(seed, name))
  const below = (bound) => Math.floor(next() * bound)
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    happens: (rate) => next() < rate,
    pick: (list) => list[below(list.length)],
    /** Picks a name from `{ name: weight }`. */
    weighted(weights) {
      let left = next() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
      for (const [wanted, weight] of Object.entries(weights)) {
        left -= weight
        if (left < 0) return wanted
      }
      return Object.keys(weights)[0]
    },
  }
}

/** FNV-1a over seed and name. */
export function mixed(seed, name) {
  let hash = 0x811c9dc5
  for (const character of `${seed}/${name}`)
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0
  return hash
}
