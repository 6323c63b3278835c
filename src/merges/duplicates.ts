import { and, eq } from 'drizzle-orm'
import type { Ctx } from '../context'
import { getPatient, patientsById } from '../patients/actions'
import { CANDIDATE, type Candidate, isMergedOf, selectFound } from '../patients/finding'
import { type PatientRow, patients } from '../patients/model'
import { meantBy } from '../patients/search'
import { toPatient } from '../patients/shown'
import { likeness, SCORE_MIN } from './likeness'
import { type AskDuplicates, type Duplicate, mergedPatients } from './model'

/** Of those with the same phone, of those with the same words in the name, of those born on the same day. */
const CANDIDATES_MAX = 100

/**
 * Patients who may be the same person, the likeliest first, each by the record in use; the old records of a
 * patient suggest that patient too. It reads at most so many candidates of each kind, in the order in which
 * they were registered.
 */
export async function findDuplicates(ctx: Ctx, id: string, wanted: AskDuplicates): Promise<Duplicate[]> {
  const { patient } = await getPatient(ctx, id)
  const candidates = (await candidatesFor(ctx, patient)).filter(
    (one) => (one.survivorId ?? one.patient.id) !== patient.id,
  )
  const rows = await inUseOf(ctx, candidates)
  const best = new Map<string, Duplicate>()
  for (const { patient: row, survivorId } of candidates) {
    const shown = rows.get(survivorId ?? row.id)
    const { score, agrees } = likeness(patient, { ...row, birth_date: row.birthDate })
    if (!shown || score < SCORE_MIN || score <= (best.get(shown.id)?.score ?? 0)) continue
    best.set(shown.id, { ...toPatient(shown, ctx), score, agrees })
  }
  return [...best.values()]
    .sort((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1))
    .slice(0, wanted.limit)
}

async function candidatesFor(
  ctx: Ctx,
  { name, phone, birth_date }: Pick<Duplicate, 'name' | 'phone' | 'birth_date'>,
) {
  const page = { limit: CANDIDATES_MAX, cursor: undefined }
  const named = meantBy({ q: name }, ctx.clinic.country)
  const born = birth_date === null ? null : meantBy({ birth_date }, ctx.clinic.country)
  const searches = [named, born].flatMap((meant) => meant ?? [])
  const [withPhone, ...found] = await ctx.db.batch([
    selectWithPhone(ctx, phone),
    ...searches.map((meant) => selectFound(ctx, meant, page)),
  ])
  return [...withPhone, ...found.flat()]
}

const selectWithPhone = (ctx: Ctx, phone: string) =>
  ctx.db
    .select(CANDIDATE)
    .from(patients)
    .leftJoin(mergedPatients, isMergedOf(ctx))
    .where(and(eq(patients.clinicId, ctx.clinic.id), eq(patients.phone, phone)))
    .limit(CANDIDATES_MAX)

/** The records in use, by their ids. Only those of merged records have to be read. */
async function inUseOf(ctx: Ctx, candidates: Candidate[]): Promise<Map<string, PatientRow>> {
  const survivors = candidates.flatMap(({ survivorId }) => survivorId ?? [])
  const rows = await patientsById(ctx, [...new Set(survivors)])
  for (const { patient, survivorId } of candidates) if (survivorId === null) rows.set(patient.id, patient)
  return rows
}
