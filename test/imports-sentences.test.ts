import { expect, test } from 'vitest'
import type { imports } from '../src/imports/model'
import { statusMessage } from '../src/imports/status'

type State = typeof imports.$inferSelect.state

const said = (state: State, totalRows: number, created: number, failed: number) => {
  const job = { state, totalRows } as typeof imports.$inferSelect
  return statusMessage({ job, created, duplicate: 0, failed }, 'patients')
}

test.each<[State, total: number, created: number, failed: number, sentence: string]>([
  ['completed', 2, 1, 1, 'The import is completed: 1 patient created, 1 row failed'],
  ['completed', 2, 2, 0, 'The import is completed: 2 patients created, 0 rows failed'],
  ['completed', 2, 0, 2, 'The import is completed: 0 patients created, 2 rows failed'],
  ['processing', 1, 0, 0, 'The import is running: 0 patients created, 0 rows failed of 1 row so far'],
  ['processing', 3, 1, 0, 'The import is running: 1 patient created, 0 rows failed of 3 rows so far'],
  ['cancelled', 3, 1, 1, 'The import was cancelled: 1 patient created, 1 row failed, 1 row is not done'],
  ['cancelled', 4, 1, 1, 'The import was cancelled: 1 patient created, 1 row failed, 2 rows are not done'],
])('%s, %d rows, %d created, %d failed: one thing is singular', (state, total, created, failed, sentence) => {
  expect(said(state, total, created, failed)).toBe(sentence)
})
