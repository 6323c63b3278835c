import { and, desc, eq, inArray, ne, or, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { stagedRows } from '../imports/model'
import { FOLDING } from '../lib/folding'
import { mergedPatients } from '../merges/model'
import { isPatient, passOn } from '../patients/actions'
import { type PatientRow, patients } from '../patients/model'
import { blank, zeros } from './in-place'
import { AFTER_DAYS, erasures } from './model'

/** How the records of a person leave D1: each text is written over in place first, and deleted then. */
export function eraseRecords(ctx: Ctx, records: PatientRow[], op: SQL<string>, erasedAt: number) {
  const ids = records.map(({ id }) => id)
  return [
    deleteMerges(ctx, ids),
    ...records.flatMap((before) => [
      overwriteStagedRows(ctx, before),
      insertErasure(ctx, before, ids, op, erasedAt),
      audited(ctx, 'patient.erased', before.id),
      overwritePatient(ctx, before.id),
      ctx.db.delete(patients).where(isPatient(ctx, before.id)),
    ]),
    // Only now: the row of a patient who gets a phone grows, which leaves its bytes in the file.
    ...[...new Set(records.map(({ phone }) => phone))].map((phone) => passOn(ctx, phone, sql`true`)),
  ] as const
}

const deleteMerges = (ctx: Ctx, ids: string[]) =>
  ctx.db
    .delete(mergedPatients)
    .where(
      and(
        eq(mergedPatients.clinicId, ctx.clinic.id),
        or(inArray(mergedPatients.oldId, ids), inArray(mergedPatients.survivorId, ids)),
      ),
    )

/**
 * Directly after the statement whose rows it counts. Of two requests at once, one finds the patient. The
 * first record of a person erases the days of all of them, so that no text is counted twice.
 */
const insertErasure = (ctx: Ctx, before: PatientRow, ids: string[], op: SQL<string>, erasedAt: number) =>
  ctx.db
    .insert(erasures)
    .select(
      sql`SELECT ${ctx.clinic.id}, ${before.id}, ${erasedAt}, ${op}, 'erasing',
        ${JSON.stringify(fieldsOf(before))}, changes(), 0, 0,
        ${before.id === ids[0] ? null : JSON.stringify(AFTER_DAYS)}, ${calledBy(ctx, before)}, 0, 0,
        ${before.opId}, ${JSON.stringify(ids.filter((id) => id !== before.id))}, patients.rowid
        FROM patients WHERE ${isPatient(ctx, before.id)}`,
    )
    .onConflictDoUpdate({
      target: [erasures.clinicId, erasures.patientId],
      set: {
        ...{ opId: op, state: 'erasing', doneUntil: said('done_until'), erasedAt },
        ...{ fields: said('fields'), calledBy: said('called_by'), stagedRows: said('staged_rows') },
        ...{ alsoKnownAs: said('also_known_as'), place: said('place') },
      },
    })

const said = (column: string) => sql.raw(`excluded.${column}`)

/**
 * Its id, and its identifiers but for those that another patient has in another system. Of two records of one
 * person that have the same value, the one that is erased last has it alone by then.
 */
const calledBy = (ctx: Ctx, { id, identifiers }: PatientRow): SQL => sql`(
  SELECT json_group_array(DISTINCT lower(value)) FROM json_each(${JSON.stringify([
    id,
    ...(identifiers ?? []).map(({ value }) => value),
  ])}) told
  WHERE NOT EXISTS (SELECT 1 FROM patient_identifiers
    WHERE clinic_id = ${ctx.clinic.id} AND lower_value = lower(told.value) AND patient_id <> ${id}))`

/** What the record said of the patient. */
const fieldsOf = (row: PatientRow): string[] => {
  const { name, phone, age, gender, email, birthDate, identifiers, language, notes, contactOk } = row
  const said = {
    ...{ name, phone, age, gender, email, birth_date: birthDate },
    ...{ identifiers, language, notes, contact_ok: contactOk },
  }
  return Object.entries(said).flatMap(([field, value]) => (value === null ? [] : [field]))
}

const TEXTS = [
  ...([
    ['name', 'name'],
    ['nameFolded', 'name_folded'],
    ['phone', 'phone'],
    ['phoneOwner', 'phone_owner'],
  ] as const),
  ...([
    ['gender', 'gender'],
    ['genderFolded', 'gender_folded'],
    ['email', 'email'],
  ] as const),
  ...([
    ['birthDate', 'birth_date'],
    ['language', 'language'],
    ['notes', 'notes'],
  ] as const),
]

const overwritePatient = (ctx: Ctx, id: string) =>
  ctx.db
    .update(patients)
    .set({
      ...Object.fromEntries(TEXTS.map(([field, column]) => [field, sql.raw(zeros(column))])),
      identifiers: sql.raw(blank('identifiers', '[', ']')),
      // As long a number: SQLite stores 0 and 1 in no byte, and others up to 127 in one.
      age: sql`CASE WHEN age > 127 THEN 128 WHEN age > 1 THEN 2 ELSE age END`,
      contactOk: sql`contact_ok * 0`,
    })
    .where(isPatient(ctx, id))

/**
 * Rows of files: that which made the patient, those that mean the same patient, and those that broke a rule
 * and have the name. Of these nothing else says whose they are.
 */
const overwriteStagedRows = (ctx: Ctx, { opId, id, phone, name, nameFolded }: PatientRow) => {
  const isMade = sql`s.job_id = ${opId} AND s.job_id || printf('-%07d', s.row) = ${id}`
  // The patient as the record says now, and as the row said that made the patient.
  const isSame = sql`s.status IS NOT NULL AND s.identity IN (${`${phone}\n${nameFolded}`},
    (SELECT m.identity FROM staged_rows m
      WHERE m.job_id = ${opId} AND m.job_id || printf('-%07d', m.row) = ${id}))`
  const isBad = sql`s.identity = '' AND lower(trim(s.cells->>'name')) = lower(${name})`
  const ofClinic = sql`FROM imports j JOIN staged_rows s ON s.job_id = j.id
    WHERE j.clinic_id = ${ctx.clinic.id} AND j.kind = 'patients'`
  return ctx.db
    .update(stagedRows)
    .set({
      cells: sql.raw(blank('cells', `{"folding":${FOLDING}`, '}')),
      identity: sql.raw(zeros('identity')),
      faults: sql.raw(blank('faults', '[', ']')),
    })
    .where(
      // Of a union as such SQLite makes no use: it would read the staged rows of all clinics.
      sql`(job_id, row) IN (SELECT found.job_id, found.row FROM (
        SELECT s.job_id, s.row ${ofClinic} AND ${isMade}
        UNION SELECT s.job_id, s.row ${ofClinic} AND ${isSame}
        UNION SELECT s.job_id, s.row ${ofClinic} AND ${isBad}) AS found)`,
    )
}

export const selectErasure = (ctx: Ctx, id: string) =>
  ctx.db
    .select()
    .from(erasures)
    .where(and(isErasureOf(ctx, id), hasTakenEffect))

/** A row that is only a mark says that an erasure may come. */
export const hasTakenEffect = ne(erasures.state, 'begun')

const isErasureOf = (ctx: Ctx, id: string) =>
  and(eq(erasures.clinicId, ctx.clinic.id), eq(erasures.patientId, id))

/** Of these records of one person. */
export const selectErasures = (ctx: Ctx, ids: string[]) =>
  ctx.db
    .select()
    .from(erasures)
    .where(and(eq(erasures.clinicId, ctx.clinic.id), inArray(erasures.patientId, ids), hasTakenEffect))

/** The record in use, then those that were merged into it. */
export const selectRecords = (ctx: Ctx, id: string) =>
  ctx.db
    .select()
    .from(patients)
    .where(and(eq(patients.clinicId, ctx.clinic.id), sql`${patients.id} IN ${idsWith(ctx, id)}`))
    .orderBy(desc(eq(patients.id, id)))

/** None of a record that was merged into another one. */
export const idsWith = (ctx: Ctx, id: string): SQL => sql`(
  SELECT ${id} WHERE NOT EXISTS (SELECT 1 FROM merged_patients
    WHERE clinic_id = ${ctx.clinic.id} AND old_id = ${id})
  UNION SELECT old_id FROM merged_patients WHERE clinic_id = ${ctx.clinic.id} AND survivor_id = ${id})`

/**
 * No new request finds these records from now on, for a minute: staying.ts. So none is changed after the
 * erasure has read it. The mark is no column of the patient, whose row would grow, and so leave its bytes in
 * the file.
 */
export const markErasing = (ctx: Ctx, ids: SQL) =>
  ctx.db
    .insert(erasures)
    .select(
      sql`SELECT clinic_id, id, ${ctx.now}, ${ctx.once.opId}, 'begun', '[]', 0, 0, 0, NULL, '[]', 0, 0,
          op_id, '[]', rowid
        FROM patients WHERE clinic_id = ${ctx.clinic.id} AND id IN ${ids}`,
    )
    .onConflictDoUpdate({
      target: [erasures.clinicId, erasures.patientId],
      set: { erasedAt: ctx.now },
      setWhere: eq(erasures.state, 'begun'),
    })

/** The visits ahead have stopped it. */
export const unmarkErasing = (ctx: Ctx, ids: string[]) =>
  ctx.db
    .delete(erasures)
    .where(
      and(
        eq(erasures.clinicId, ctx.clinic.id),
        inArray(erasures.patientId, ids),
        eq(erasures.state, 'begun'),
      ),
    )
