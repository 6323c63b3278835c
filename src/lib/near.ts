/** `sharedPhone`, `Shared-Phone` and `shared_phone` are the same letters. */
export const letters = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '')
    .toLowerCase()

/** How far two names are apart, if so little that the one was probably meant by the other; else null. */
export function nearness(sent: string, known: string): number | null {
  const [a, b] = [letters(sent), letters(known)]
  const distance = distanceOf(a, b)
  return isNear(a, b, distance) ? distance : null
}

/** The shorter a name, the more names are near to it by chance: `at` is not `to`, and `sage` is not `age`. */
function isNear(sent: string, known: string, distance: number): boolean {
  if (distance === 0) return true
  const beginsAlike = sent[0] === known[0] || (sent[0] === known[1] && sent[1] === known[0])
  if (known.length < 3) return false
  if (known.length < 5) return distance === 1 && beginsAlike
  if (known.length < 6) return distance === 1
  return distance === 1 || (distance === 2 && (beginsAlike || known.length > 7))
}

/** How many letters must be added, left out, replaced or exchanged with their neighbour. */
function distanceOf(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i += 1) {
    const [last = [], beforeLast = []] = [rows[i - 1], rows[i - 2]]
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isExchanged = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const exchanged = isExchanged ? at(beforeLast, j - 2) + 1 : replaced
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, exchanged))
    }
    rows.push(row)
  }
  return at(rows.at(-1) ?? [], b.length)
}

const at = (row: number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY
