const HEADER = 'name,address,phone\n'

/** A file of hospitals; files with different names have no hospital in common. */
export const hospitalsCsv = (name, rows) =>
  HEADER + Array.from({ length: rows }, (_, n) => line(name, n)).join('')

const line = (name, n) =>
  `General Hospital ${name} ${n},"${n} Harbour Street, Springfield",+1 202 555 ${String(n % 10_000).padStart(4, '0')}\n`
