const HEADER = 'name,address,phone\n'
const LINES_PER_PIECE = 1_000

/** A file of hospitals none of which is in any other file of another name. */
export const hospitalsCsv = (name, rows) => [...pieces(name, rows)].join('')

/** The same, as pieces to be written one after another. */
export function* pieces(name, rows) {
  yield HEADER
  for (let from = 0; from < rows; from += LINES_PER_PIECE) {
    const count = Math.min(LINES_PER_PIECE, rows - from)
    yield Array.from({ length: count }, (_, n) => line(name, from + n)).join('')
  }
}

const line = (name, n) =>
  `General Hospital ${name} ${n},"${n} Harbour Street, Springfield",+1 202 555 ${String(n % 10_000).padStart(4, '0')}\n`
