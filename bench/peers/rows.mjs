import { DatabaseSync } from 'node:sqlite'
import { PAGE_CLINIC, PAGE_ROWS } from '../seed.mjs'

const OTHER_ROWS = 9_000
const OTHER_CLINICS = 1_000
const BUSY_MS_MAX = 5_000

/** One clinic's page of medical tests, like the service's, among the rows of other clinics. */
export function seedPeer(path) {
  const database = new DatabaseSync(path, { timeout: BUSY_MS_MAX })
  const insert = database.prepare('INSERT INTO tests VALUES (?, ?, ?, ?, ?, ?)')
  const now = new Date().toISOString()
  const add = (clinic, id, n) => insert.run(id, `P-${n}`, clinic, 'haemoglobin', '13.9 g/dL', now)
  database.exec('BEGIN')
  for (let n = 0; n < PAGE_ROWS; n += 1) add(PAGE_CLINIC, `${PAGE_CLINIC}-${String(n).padStart(7, '0')}`, n)
  for (let n = 0; n < OTHER_ROWS; n += 1) add(`c${n % OTHER_CLINICS}`, `other-${n}`, n)
  database.exec('COMMIT')
  database.close()
}
