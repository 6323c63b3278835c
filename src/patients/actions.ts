import { and, eq, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { namesOf } from '../doctor-day/readers/sockets'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { toE164 } from '../lib/phone'
import { foldName } from '../lib/text'
import { notFound, Problem } from '../problem'
import { type NewPatient, type Patient, patients, toPatient } from './model'

/**
 * The same name on the same phone is the same patient, with any case, spaces and accents: then the existing
 * patient is returned and `created` is false. Another name on a known phone is refused unless the request has
 * `shared_phone`.
 */
export async function registerPatient(
  ctx: Ctx,
  wanted: NewPatient,
): Promise<{ patient: Patient; created: boolean }> {
  const phone = toE164(wanted.phone, ctx.clinic.country)
  if (phone === null) throw badPhone()
  const nameFolded = foldName(wanted.name)
  const id = newId()
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(patients)
      .values({
        id,
        clinicId: ctx.clinic.id,
        name: wanted.name,
        nameFolded,
        phone,
        phoneOwner: wanted.shared_phone ? ifUnowned(ctx, phone) : phone,
        age: wanted.age,
        gender: wanted.gender,
        email: wanted.email,
        createdAt: ctx.now,
        opId: op,
      })
      .onConflictDoNothing(),
    audited(ctx, 'patient.registered', id),
    ctx.db
      .select()
      .from(patients)
      .where(
        and(
          eq(patients.clinicId, ctx.clinic.id),
          eq(patients.phone, phone),
          eq(patients.nameFolded, nameFolded),
        ),
      ),
  ])
  const [patient] = results[2]
  if (!patient) throw phoneInUse()
  return { patient: toPatient(patient), created: patient.opId === opId }
}

export async function getPatient(ctx: Ctx, id: string): Promise<Patient> {
  const [patient] = await ctx.db.select().from(patients).where(isPatient(ctx, id))
  if (!patient) throw notFound('Patient')
  return toPatient(patient)
}

const isPatient = (ctx: Ctx, id: string) => and(eq(patients.clinicId, ctx.clinic.id), eq(patients.id, id))

/** Whether the patient exists; reads no personal data. */
export const selectPatientId = (ctx: Ctx, id: string) =>
  ctx.db.select({ id: patients.id }).from(patients).where(isPatient(ctx, id))

export const patientNames = (ctx: Ctx, ids: string[]): Promise<Map<string, string>> =>
  namesOf(ctx.env.DB, ctx.clinic.id, ids)

const ifUnowned = (ctx: Ctx, phone: string) =>
  sql<string | null>`CASE WHEN EXISTS (SELECT 1 FROM patients WHERE clinic_id = ${ctx.clinic.id}
    AND phone_owner = ${phone}) THEN NULL ELSE ${phone} END`

const badPhone = () =>
  invalid([
    {
      field: 'phone',
      rule: 'phone',
      message: 'phone must be a phone number, with country code or of the clinic’s country',
    },
  ])

const phoneInUse = () =>
  new Problem(
    'phone_in_use',
    'Another patient has this phone under another name; if they share it, send shared_phone: true',
  )
