import { and, asc, eq, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { cursor, limit, PAGE_MAX, type Page, writeCursor } from '../lib/page'
import { phoneSearched } from '../lib/phone'
import { component, maxCharacters, safeText, text } from '../lib/schema'
import { mergedPatients } from '../merges/model'
import { BirthDate, type Patient, type PatientRow, patientIdentifiers, patients } from './model'
import { fits, fitsAll, identifiersIn, type Meant, matchOf, meantBy } from './search'
import { toPatient } from './shown'

const Q_WORDS_MAX = 20

const CRITERIA = {
  /** Each of its words is a part of the name, an identifier, or a phone or the end of one. */
  q: v.optional(
    v.pipe(
      v.string(),
      safeText('optionalLine'),
      maxCharacters(200),
      v.check((q) => q.trim().split(/\s+/).length <= Q_WORDS_MAX, `must have at most ${Q_WORDS_MAX} words`),
    ),
  ),
  /** In any spelling, or its last digits, at least four. */
  phone: v.optional(phoneSearched()),
  birth_date: v.optional(BirthDate),
  /** `value`, or `system|value`. */
  identifier: v.optional(text(200)),
}

const PAGE_USUAL = 100
const LIMIT_RULE = 'must be a whole number from 1'

export const ListPatients = v.object({ ...CRITERIA, limit: limit(PAGE_USUAL), cursor: cursor(v.string()) })
export type ListPatients = v.InferOutput<typeof ListPatients>

/** As `ListPatients`, so that no name need stand in a URL. */
export const SearchPatients = component('SearchPatients', {
  ...CRITERIA,
  limit: v.optional(
    v.pipe(
      v.number(),
      v.integer(LIMIT_RULE),
      v.minValue(1, LIMIT_RULE),
      v.transform((wanted) => Math.min(wanted, PAGE_MAX)),
    ),
    PAGE_USUAL,
  ),
  cursor: cursor(v.string()),
})

/**
 * A page reads at most this many rows of the index: few more than it can show. Where too few of them fit, the
 * page is shorter, and the next one goes on.
 */
const readMost = (size: number): number => size + 1 + Math.ceil(size / 4)

/** As many systems can give the same value to different patients. */
const IDENTIFIED_MAX = 100

/**
 * A patient, and the row: patients are listed in the order of their rows, which is that of registration.
 * `survivorId`: into which record it was merged.
 */
export interface Candidate {
  patient: PatientRow
  place: number
  survivorId: string | null
}

/** The cursor is the id of a patient: the number of a row would tell how many patients other clinics have. */
export async function listPatients(ctx: Ctx, wanted: ListPatients): Promise<Page<Patient>> {
  const meant = meantBy(wanted, ctx.clinic.country)
  if (meant === null) return { rows: [], next: null }
  const [found, identified] = await candidatesOf(ctx, meant, wanted)
  const isCut = found.length === readMost(wanted.limit)
  const end = isCut ? (found.at(-1)?.place ?? 0) : Number.POSITIVE_INFINITY
  const read = [...new Map([...found, ...identified].map((one) => [one.place, one])).values()]
    .filter(({ place }) => place <= end)
    .sort((one, other) => one.place - other.place)
  const fitting = await inUse(
    ctx,
    read.filter(({ patient }) => fits(patient, meant)),
    meant,
  )
  const page = fitting.slice(0, wanted.limit)
  const last = fitting.length > page.length ? page.at(-1) : isCut ? read.at(-1) : undefined
  return {
    rows: page.map(({ shown }) => toPatient(shown, ctx)),
    next: last ? writeCursor([last.patient.id]) : null,
  }
}

/**
 * Of a merged record the one in use is shown, so that an old name or phone finds the patient. Each is
 * shown once: in its own place if it fits itself, or else in that of the first old record that fits.
 */
async function inUse(
  ctx: Ctx,
  fitting: Candidate[],
  meant: Meant,
): Promise<(Candidate & { shown: PatientRow })[]> {
  const own = fitting.filter(({ survivorId }) => survivorId === null)
  const merged = fitting.flatMap(({ survivorId }) => survivorId ?? [])
  const people = merged.length > 0 && !fitsAll(meant) ? await selectPeople(ctx, merged) : []
  const bySurvivor = Map.groupBy(people, ({ patient, survivorId }) => survivorId ?? patient.id)
  const ofMerged = [...bySurvivor.values()].flatMap((person) => {
    const first = person.find(({ patient }) => fits(patient, meant))
    const shown = person.find(({ survivorId }) => survivorId === null)?.patient
    const isHere = fitting.some(({ place }) => place === first?.place)
    return first?.survivorId && shown && isHere ? [{ ...first, shown }] : []
  })
  return [...own.map((one) => ({ ...one, shown: one.patient })), ...ofMerged].sort(
    (one, other) => one.place - other.place,
  )
}

/** All records of these people, those in use first, and the others in the order of their places. */
const selectPeople = (ctx: Ctx, survivorIds: string[]) => {
  const wanted = sql`(SELECT value FROM json_each(${JSON.stringify([...new Set(survivorIds)])}))`
  const ids = sql`(SELECT value AS id FROM json_each(${JSON.stringify([...new Set(survivorIds)])})
    UNION ALL SELECT m.old_id FROM merged_patients m
      WHERE m.clinic_id = ${ctx.clinic.id} AND m.survivor_id IN ${wanted}) AS wanted`
  return ctx.db
    .select(CANDIDATE)
    .from(ids)
    .crossJoin(patients)
    .leftJoin(mergedPatients, isMergedOf(ctx))
    .where(sql`${patients.id} = wanted.id AND +${patients.clinicId} = ${ctx.clinic.id}`)
    .then((people) => people.sort((one, other) => rank(one) - rank(other)))
}

const rank = ({ survivorId, place }: Candidate): number => (survivorId === null ? 0 : place)

/** Those whom the index finds, and those whom an identifier does. */
async function candidatesOf(
  ctx: Ctx,
  meant: Meant,
  wanted: ListPatients,
): Promise<[found: Candidate[], identified: Candidate[]]> {
  const named = identifiersIn(meant)
  if (meant.identifier) return [[], await selectIdentified(ctx, named, wanted)]
  const found = selectFound(ctx, meant, wanted)
  return named.length === 0 ? [await found, []] : ctx.db.batch([found, selectIdentified(ctx, named, wanted)])
}

export const CANDIDATE = {
  patient: patients,
  place: sql<number>`patients.rowid`,
  survivorId: mergedPatients.survivorId,
}

export const isMergedOf = (ctx: Ctx) =>
  and(eq(mergedPatients.clinicId, ctx.clinic.id), eq(mergedPatients.oldId, patients.id))

/**
 * FTS5 begins at a row only if its number is an integer, and numbers of JavaScript are none. A patient who
 * was erased between two pages had a row too: without it the next page would be empty.
 */
const startOf = (ctx: Ctx, { cursor: after }: ListPatients) =>
  after === undefined
    ? sql`0`
    : sql`coalesce(
        (SELECT s.rowid FROM patients s WHERE s.id = ${after[0]} AND s.clinic_id = ${ctx.clinic.id}),
        (SELECT e.place FROM erasures e WHERE e.clinic_id = ${ctx.clinic.id} AND e.patient_id = ${after[0]}))`

/** The cross join reads the index first; the plus keeps SQLite from reading the clinic instead. */
export const selectFound = (ctx: Ctx, meant: Meant, wanted: ListPatients) =>
  ctx.db
    .select(CANDIDATE)
    .from(sql`patients_search`)
    .crossJoin(patients)
    .leftJoin(mergedPatients, isMergedOf(ctx))
    .where(
      sql`patients_search MATCH ${matchOf(ctx.clinic.id, meant)}
        AND patients_search.rowid > ${startOf(ctx, wanted)}
        AND patients.rowid = patients_search.rowid AND +patients.clinic_id = ${ctx.clinic.id}`,
    )
    .orderBy(asc(sql`patients_search.rowid`))
    .limit(readMost(wanted.limit))

const selectIdentified = (ctx: Ctx, named: string[], wanted: ListPatients) =>
  ctx.db
    .select(CANDIDATE)
    .from(patientIdentifiers)
    .crossJoin(patients)
    .leftJoin(mergedPatients, isMergedOf(ctx))
    .where(
      sql`patient_identifiers.clinic_id = ${ctx.clinic.id}
        AND patient_identifiers.lower_value IN (SELECT value FROM json_each(${JSON.stringify(named)}))
        AND patients.id = patient_identifiers.patient_id AND +patients.clinic_id = ${ctx.clinic.id}
        AND patients.rowid > ${startOf(ctx, wanted)}`,
    )
    .limit(IDENTIFIED_MAX)
