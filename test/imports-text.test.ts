import { expect, test } from 'vitest'
import { openClinic } from './clinic'
import { holdTheQueue, newKey } from './directory'

holdTheQueue()

/** A patient as both doors get it: in JSON, and in a quoted cell. */
const CASES: [what: string, field: 'name' | 'gender' | 'email', text: string][] = [
  ['an ordinary name', 'name', 'Ada Lovelace'],
  ['a typographic apostrophe', 'name', 'Sinéad O’Brien'],
  ['an emoji', 'name', 'Ada 😀'],
  ['a joiner that a script needs', 'name', 'ක්\u200dරිස්ටි'],
  ['a NUL', 'name', 'Ada\0Lovelace'],
  ['an escape character', 'name', 'Ada\u001b[31m'],
  ['a control character of C1', 'name', 'Ada\u0085Lovelace'],
  ['a direction override', 'name', 'Ada \u202eecalevoL'],
  ['only an invisible character', 'name', '\u200b'],
  ['a line break', 'name', 'Ada\nLovelace'],
  ['a tab', 'name', 'Ada\tLovelace'],
  ['200 characters', 'name', 'x'.repeat(200)],
  ['201 characters', 'name', 'x'.repeat(201)],
  ['a NUL in an optional field', 'gender', 'fe\0male'],
  ['51 characters of an optional field', 'gender', 'x'.repeat(51)],
  ['an apostrophe in an e-mail address', 'email', "o'brien@example.com"],
  ['an address without a domain', 'email', 'ada@'],
  ['an invisible character in an address', 'email', 'ada\u200b@example.com'],
]

test.each(CASES)('a row of a file and a request agree on %s', async (_, field, text) => {
  const clinic = await openClinic()
  const patient = { name: 'Ada', phone: '+12025550101', gender: 'female', email: 'a@b.de', [field]: text }
  const cells = Object.values(patient).map((cell) => `"${cell.replaceAll('"', '""')}"`)
  const file = `${Object.keys(patient).join()}\n${cells.join()}\n`
  const dryRun = await clinic.send('POST', '/api/v1/patients/bulk?dry_run=true', file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  const posted = await clinic.post('/api/v1/patients', patient)
  expect(dryRun.status).toBe(200)
  expect([posted.status, dryRun.body.faults[0]?.field]).toEqual(
    dryRun.body.create === 1 ? [201, undefined] : [400, field],
  )
})
