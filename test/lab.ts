import { env } from 'cloudflare:workers'
import type { Client } from './clinic'
import { type ChunkBody, deliver, newKey } from './directory'

/** What tests of imports of medical tests share. */

export const TESTS = '/api/v1/tests'
export const BULK = `${TESTS}/bulk`

export interface TestRow {
  test_id: string
  patient_id: string
  clinic_id: string
  test_type: string
  result: string
}

const COLUMNS = ['test_id', 'patient_id', 'clinic_id', 'test_type', 'result'] as const

export const testRow = (clinicId: string, test_id: string, result = 'negative'): TestRow => ({
  test_id,
  patient_id: `P-${test_id}`,
  clinic_id: clinicId,
  test_type: 'blood',
  result,
})

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`

export const asCsv = (rows: TestRow[]): string =>
  [COLUMNS.join(), ...rows.map((row) => COLUMNS.map((name) => quoted(row[name])).join()), ''].join('\n')

export const asNdjson = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

export const TYPES = { csv: 'text/csv', ndjson: 'application/x-ndjson' }
export type Format = keyof typeof TYPES

export const fileOf = (format: Format, rows: TestRow[]): string =>
  format === 'csv' ? asCsv(rows) : asNdjson(rows)

interface Sending {
  format?: Format
  query?: string
  key?: string
  path?: string
}

export const upload = (
  clinic: Client,
  file: string | Uint8Array,
  { format = 'csv', query = '', key = newKey(), path = BULK }: Sending = {},
) => clinic.send('POST', `${path}${query}`, file, { 'Idempotency-Key': key, 'Content-Type': TYPES[format] })

export const statusOf = async (clinic: Client, job: string, query = '') =>
  (await clinic.get(`${BULK}/${job}${query}`)).body

/** Uploads, delivers every message once, and answers the job's id and status. */
export async function imported(sent: ChunkBody[], clinic: Client, file: string, sending: Sending = {}) {
  sent.length = 0
  const { body } = await upload(clinic, file, sending)
  await deliver(sent.splice(0))
  return { job: body.job_id as string, status: await statusOf(clinic, body.job_id) }
}

/** The status of each row, and its reason if it has one. */
export const outcomesOf = (status: { result: { tests: Record<string, string>[] } }): string[] =>
  status.result.tests.map((row) => (row.reason ? `${row.status} ${row.reason}` : (row.status ?? '')))

/** The counts of a status in one line. */
export const countsOf = (status: Record<string, number>) => ({
  total: status.total_tests,
  processed: status.processed_tests,
  duplicate: status.duplicate_tests,
  failed: status.failed_tests,
})

/** The records of a namespace: test_id → [patient_id, clinic_id, test_type, result]. */
export async function storedOf(clinic: Client): Promise<Record<string, string>> {
  const { results } = await env.DB.prepare(
    'SELECT test_id, clinic_id, record FROM medical_tests WHERE owner_id = ? ORDER BY test_id',
  )
    .bind(clinic.clinicId)
    .all<{ test_id: string; clinic_id: string; record: string }>()
  return Object.fromEntries(
    results.map(({ test_id, clinic_id, record }) => [test_id, contentOf(JSON.parse(record), clinic_id)]),
  )
}

export const contentOf = ({ patient_id, clinic_id, test_type, result }: TestRow, of = clinic_id): string =>
  JSON.stringify([patient_id, clinic_id, of, test_type, result])
