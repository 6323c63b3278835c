import { type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import { medicalTests } from '../medical-tests/model'
import { webhookEvents } from '../webhooks/model'
import { emptied, spaces } from './in-place'
import type { Done, ErasureRow, Phase } from './model'

/**
 * Records that other systems send call a patient by the id of the patient or by an identifier, and D1 has no
 * index of that: a lab stores many records, and an erasure is rare. So these steps read all of a clinic.
 */

/** Rows that one statement reads. */
const ROWS_AT_ONCE = 5_000

const MEDICAL = ['patient_id', 'result'] as const

/** The record stays under its `test_id`, without its patient and its result. */
export async function eraseTests(ctx: Ctx, row: ErasureRow): Promise<Done> {
  const some = sql`SELECT seq FROM medical_tests
    WHERE clinic_id = ${ctx.clinic.id} AND seq > ${positionOf(row)} ORDER BY seq LIMIT ${ROWS_AT_ONCE}`
  const [read, changed] = await ctx.db.batch([
    readOf(ctx, 'seq', some),
    ctx.db
      .update(medicalTests)
      .set({ record: sql.raw(emptied('record', MEDICAL)) })
      .where(sql`seq IN (${some}) AND ${isCalled(sql`record->>'patient_id'`, row)}`)
      .returning({ changed: medicalTests.seq }),
  ])
  return { sums: { tests: changed.length }, until: next('tests', read) }
}

/** The event stays, without its patient and its notes. */
export async function eraseEvents(ctx: Ctx, row: ErasureRow): Promise<Done> {
  const { clinic } = ctx
  const some = sql`SELECT number FROM webhook_events
    WHERE clinic_id = ${clinic.id} AND number > ${positionOf(row)} ORDER BY number LIMIT ${ROWS_AT_ONCE}`
  const isRead = sql`clinic_id = ${clinic.id} AND number IN (${some})`
  const isOwn = sql`EXISTS (SELECT 1 FROM appointments a WHERE a.id = webhook_events.appointment_id
    AND a.clinic_id = ${clinic.id} AND a.patient_id = ${row.patientId})`
  const [read, changed] = await ctx.db.batch([
    readOf(ctx, 'number', some),
    ctx.db
      .update(webhookEvents)
      .set({ patientId: sql.raw(spaces('patient_id')), notes: sql.raw(spaces('notes')) })
      .where(sql`${isRead} AND patient_id <> '' AND (${isCalled(sql`patient_id`, row)} OR ${isOwn})`)
      .returning({ changed: webhookEvents.number }),
    // Shorter, which would leave the earlier bytes in the file: so this is the second step.
    ctx.db
      .update(webhookEvents)
      .set({ patientId: '', notes: null })
      .where(sql`${isRead} AND patient_id <> '' AND trim(patient_id) = ''`),
  ])
  return { sums: { events: changed.length }, until: next('events', read) }
}

/** The rows of one file of test records. A lab’s file may have rows of several clinics. */
export async function eraseFileOfTests(ctx: Ctx, row: ErasureRow): Promise<Done> {
  const { id } = ctx.clinic
  const [file] = await ctx.db.all<{ id: string }>(sql`
    SELECT id FROM imports WHERE kind = 'tests' AND (clinic_id = ${id} OR reach = 'any')
      AND id > ${String(positionOf(row) || '')} ORDER BY id LIMIT 1`)
  if (!file) return { sums: {}, until: null }
  const changed = await ctx.db.all(sql`
    UPDATE staged_rows SET cells = ${sql.raw(emptied('cells', MEDICAL))}
    WHERE job_id = ${file.id} AND cells->>'clinic_id' = ${id}
      AND ${isCalled(sql`cells->>'patient_id'`, row)} RETURNING 1`)
  return { sums: { stagedRows: changed.length }, until: ['files', file.id] }
}

const readOf = (ctx: Ctx, column: 'seq' | 'number', some: SQL) =>
  ctx.db
    .select({ last: sql<number | null>`max(${sql.raw(column)})`, count: sql<number>`count(*)` })
    .from(sql`(${some})`)

type Read = Awaited<ReturnType<typeof readOf>>

const next = (phase: Phase, [read]: Read): Done['until'] =>
  read?.last != null && read.count === ROWS_AT_ONCE ? [phase, read.last] : null

/** 0 at the start of a phase. */
const positionOf = ({ doneUntil }: ErasureRow): string | number => doneUntil?.[1] ?? 0

const isCalled = (name: SQL, { calledBy }: ErasureRow): SQL =>
  sql`lower(${name}) IN (SELECT value FROM json_each(${JSON.stringify(calledBy)}))`
