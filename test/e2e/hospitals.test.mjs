import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { ROOT } from '../../scripts/root.mjs'
import { eventually, startService } from './service.mjs'

const REAL_FILE = join(ROOT, '..', 'shared', 'data', 'hospitals-cms.csv')
const GENERATED_ROWS = 5_306
const COMPLETED_WITHIN_MS = 120_000
const PAGE = 1_000

test('an import that kill -9 interrupts completes by itself, with every hospital once', async (t) => {
  const service = await startService(t)
  const csv = existsSync(REAL_FILE) ? readFileSync(REAL_FILE, 'utf8') : generated()
  const rows = parse(csv, { columns: true, trim: true })

  const accepted = await service.upload('/api/v1/hospitals/bulk', csv, { 'Idempotency-Key': 'e2e-import' })
  const status = () => service.get(`/api/v1/hospitals/status/${accepted.body.job_id}`)
  const before = await status()
  await service.kill9()
  assert.deepEqual([accepted.status, accepted.body.total_hospitals], [202, rows.length])
  assert.match(before.body.status, /^(pending|processing)$/, 'it was killed while it worked')

  await service.start()
  const { body } = await eventually(
    status,
    (reply) => /^(completed|failed)$/.test(reply.body.status),
    COMPLETED_WITHIN_MS,
    'the import to complete',
  )
  assert.equal(body.status, 'completed')
  assert.deepEqual([body.total_hospitals, body.processed_hospitals], [rows.length, rows.length])
  assert.deepEqual([body.failed_hospitals, body.progress_percentage], [0, 100])
  const rowNumbers = body.result.hospitals.map(({ row }) => row)
  assert.deepEqual(
    rowNumbers.toSorted((a, b) => a - b),
    rows.map((_, index) => index + 2),
    'each row once',
  )
  assert.deepEqual((await listed(service)).sort(), rows.map(spelled).sort())
})

const spelled = ({ name, address }) => `${name} | ${address}`

async function listed(service) {
  const found = []
  let path = `/api/v1/hospitals?limit=${PAGE}`
  while (path) {
    const { body, headers } = await service.get(path)
    found.push(...body.map(spelled))
    const next = /<([^>]+)>; rel="next"/.exec(headers.get('Link') ?? '')?.[1]
    path = next?.slice(new URL(next).origin.length)
  }
  return found
}

const generated = () =>
  ['name,address,phone']
    .concat(
      Array.from({ length: GENERATED_ROWS }, (_, n) => `Hospital ${n},"${n} Main Street, Town",2025550100`),
    )
    .join('\n')
