import { and, asc, desc, eq, not, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { namesOf } from '../doctor-day/readers/sockets'
import { invalid } from '../http/failure'
import { FOLDING, foldName } from '../lib/folding'
import { phoneFault, toE164 } from '../lib/phone'
import { survivorOf } from '../merges/model'
import { notFound, Problem } from '../problem'
import { birthFault, storedAge } from './birth'
import { differs } from './differs'
import { contradicts, foldGender, refold, saidOf, selectOutdated } from './identity'
import {
  type FindPatient,
  type Identifier,
  type NewPatient,
  type Patient,
  type PatientRow,
  patients,
} from './model'
import { isIdentifierTaken } from './search'
import { toPatient, toVersioned, type Versioned } from './shown'

interface Registered extends Versioned {
  created: boolean
  /** The fields in which the request differs from the existing patient. */
  differs: string[]
}

/**
 * The same name on the same phone is the same patient, however it is written (`foldName`): then the existing
 * patient is returned, unchanged, and `created` is false. Of a merged record it is the one in use. Another
 * name on a known phone is refused unless the request has `shared_phone`. With it, the same name with another
 * age, birth date or gender is another patient too. A new patient cannot have the identifier of another one.
 */
export async function registerPatient(ctx: Ctx, wanted: NewPatient): Promise<Registered> {
  const phone = toE164(wanted.phone, ctx.clinic.country)
  if (phone === null) throw badPhone(wanted.phone)
  const fault = birthFault(wanted, today(ctx))
  if (fault) throw invalid([fault])
  const { registered, outdated } = await insertOrFind(ctx, wanted, phone)
  if (outdated.length === 0) return registered ?? refuse(ctx, wanted)
  await refold(ctx.db, ctx.clinic.id, outdated)
  return (await insertOrFind(ctx, wanted, phone)).registered ?? refuse(ctx, wanted)
}

/**
 * One transaction decides. It inserts nothing while names on the phone are folded by an older rule. A patient
 * has the id of the operation that registered them, and who was known is kept with the key: so a retry finds
 * the patient of the first answer, also under another name or phone by then, or merged into another record.
 */
async function insertOrFind(ctx: Ctx, wanted: NewPatient, phone: string) {
  const [nameFolded, genderFolded] = [foldName(wanted.name), foldGender(wanted.gender)]
  const isNamed = and(
    eq(patients.clinicId, ctx.clinic.id),
    eq(patients.phone, phone),
    eq(patients.nameFolded, nameFolded),
  )
  const { age, ageAt } = storedAge(wanted, ctx)
  const { birth_date: birthDate = null, language = null, notes = null, contact_ok, identifiers = [] } = wanted
  const said = { age, birthDate, genderFolded, at: ctx.now }
  const isOther = contradicts('patients', saidOf(said))
  const isSame = wanted.shared_phone ? and(isNamed, not(isOther)) : isNamed
  const outdated = selectOutdated(ctx.db, ctx.clinic.id, sql`(${phone})`)
  const hasIdentifiers = identifiers.length > 0
  const isFree = hasIdentifiers
    ? sql`AND NOT ${isIdentifierTaken(ctx.clinic.id, identifiers, NOBODY)}`
    : sql``
  const found = selectInUse(ctx, isSame)
    .orderBy(
      desc(sql`${patients.opId} = ${ctx.once.opId}`),
      isOther,
      asc(patients.createdAt),
      asc(patients.id),
    )
    .limit(1)
  const { opId, reply, replayed, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(patients)
      .select(sql`
        SELECT coalesce(${op}, ''), ${ctx.clinic.id}, ${wanted.name}, ${nameFolded}, ${phone},
          ${wanted.shared_phone ? ifUnowned(ctx, phone) : phone}, ${age}, ${wanted.gender},
          ${wanted.email}, ${ctx.now}, ${op}, ${genderFolded}, ${FOLDING},
          (SELECT coalesce(max(namesake) + 1, 0) FROM patients WHERE ${isNamed}), 1, NULL,
          ${birthDate}, ${ageAt}, ${language}, ${notes},
          ${contact_ok === undefined ? null : Number(contact_ok)},
          ${hasIdentifiers ? JSON.stringify(identifiers) : null}
        WHERE NOT EXISTS (SELECT 1 FROM patients WHERE ${isSame}) AND NOT EXISTS ${outdated} ${isFree}
          AND ${ctx.once.isUnanswered(op)} AND (${op} = ${ctx.once.opId} OR NOT ${isErased(ctx, op)})`)
      .onConflictDoNothing(),
    audited(ctx, 'patient.registered', op),
    ctx.once.keep(sql`SELECT own_id FROM ${found}`, sql`changes() = 0 AND NOT EXISTS ${outdated}`),
    found,
    outdated,
  ])
  const [earlier] = replayed ? await selectInUse(ctx, isPatient(ctx, reply ?? opId)) : []
  // Who was known then has been erased since.
  if (replayed && reply !== null && !earlier) throw notFound('Patient')
  const one = earlier ?? results[3][0]
  if (!one) return { outdated: results[4] }
  const versioned = toVersioned(one.inUse, ctx)
  const created = one.opId === opId
  const { name, phone: ownPhone } = one.inUse
  // A patient may have another name or phone since: by these the request means the same one.
  const means = one.ownId === one.inUse.id ? { name, phone: ownPhone } : { phone }
  const registered = { ...versioned, created, differs: differs({ ...wanted, ...means }, versioned.patient) }
  return { registered, outdated: earlier ? [] : results[4] }
}

/** A retry of the request that registered a patient who was erased since. */
const isErased = (ctx: Ctx, op: SQL) =>
  sql`EXISTS (SELECT 1 FROM erasures WHERE clinic_id = ${ctx.clinic.id} AND made_by = ${op}
    AND state <> 'begun')`

/** Of several patients with the phone, the one who was registered first. */
export async function findPatient(ctx: Ctx, wanted: FindPatient): Promise<Patient | null> {
  const phone = toE164(wanted.phone, ctx.clinic.country)
  if (phone === null) return null
  const hasPhone = and(eq(patients.clinicId, ctx.clinic.id), eq(patients.phone, phone))
  const [found] = await selectInUse(ctx, hasPhone).orderBy(asc(patients.createdAt), asc(patients.id)).limit(1)
  return found ? toPatient(found.inUse, ctx) : null
}

/** `mergedInto`: the id of the record in use, where the one that was asked for was merged into it. */
export async function getPatient(ctx: Ctx, id: string): Promise<Versioned & { mergedInto: string | null }> {
  const [found] = await selectInUse(ctx, isPatient(ctx, id))
  if (!found) throw notFound('Patient')
  const { inUse } = found
  return { ...toVersioned(inUse, ctx), mergedInto: inUse.id === id ? null : inUse.id }
}

const inUse = alias(patients, 'in_use')

/**
 * Of each record the one in use: itself, or the one that it was merged into. In a batch, drizzle takes two
 * columns of one name for one.
 */
const selectInUse = (ctx: Ctx, which: SQL | undefined) =>
  ctx.db
    .select({
      inUse,
      ownId: sql<string>`${patients.id}`.as('own_id'),
      opId: sql<string>`${patients.opId}`.as('own_op'),
    })
    .from(patients)
    .innerJoin(
      inUse,
      sql`${inUse.id} = ${survivorOf(ctx.clinic.id, sql`${patients.id}`)}
        AND +${inUse.clinicId} = ${ctx.clinic.id}`,
    )
    .where(which)

export const selectPatient = (ctx: Ctx, id: string) =>
  ctx.db.select().from(patients).where(isPatient(ctx, id))

export const isPatient = (ctx: Ctx, id: string) =>
  and(eq(patients.clinicId, ctx.clinic.id), eq(patients.id, id))

export const patientNames = (ctx: Ctx, ids: string[]): Promise<Map<string, string>> =>
  namesOf(ctx.env.DB, ctx.clinic.id, ids)

/** Of those who share a phone the first one owns it. */
export const ifUnowned = (ctx: Ctx, phone: string) =>
  sql<string | null>`CASE WHEN EXISTS (SELECT 1 FROM patients WHERE clinic_id = ${ctx.clinic.id}
    AND phone_owner = ${phone}) THEN NULL ELSE ${phone} END`

/** A phone that its owner has left belongs to the first of those who share it. */
export const passOn = (ctx: Ctx, phone: string, isFirst: SQL) =>
  ctx.db
    .update(patients)
    .set({ phoneOwner: phone })
    .where(
      and(
        eq(patients.clinicId, ctx.clinic.id),
        eq(
          patients.id,
          sql`(SELECT q.id FROM patients q WHERE q.clinic_id = ${ctx.clinic.id} AND q.phone = ${phone}
            ORDER BY q.created_at, q.id LIMIT 1)`,
        ),
        sql`NOT EXISTS (SELECT 1 FROM patients q
          WHERE q.clinic_id = ${ctx.clinic.id} AND q.phone_owner = ${phone})`,
        isFirst,
      ),
    )

export function badPhone(phone: string): Problem {
  const message = `phone ${phoneFault(phone)}`
  return invalid([{ field: 'phone', rule: 'phone', message }])
}

/** Nothing was written: this only finds the words. */
async function refuse(ctx: Ctx, { identifiers = [] }: NewPatient): Promise<never> {
  if (ctx.once.key !== null) await refuseErased(ctx)
  await refuseTaken(ctx, identifiers, NOBODY)
  throw new Problem(
    'phone_in_use',
    'Another patient has this phone under another name; if they share it, send shared_phone: true',
  )
}

async function refuseErased(ctx: Ctx): Promise<void> {
  const { opId } = await ctx.once.claim()
  const { erased } = await ctx.db.get<{ erased: number }>(
    sql`SELECT ${isErased(ctx, sql`${opId}`)} AS erased`,
  )
  if (erased) throw notFound('Patient')
}

/** The id of no patient. */
const NOBODY = ''

export async function refuseTaken(ctx: Ctx, identifiers: Identifier[], ownId: string): Promise<void> {
  if (identifiers.length === 0) return
  const isTaken = isIdentifierTaken(ctx.clinic.id, identifiers, ownId)
  const isMerged = sql`AND ${survivorOf(ctx.clinic.id, sql`i.patient_id`)} = ${ownId}`
  const isOwn = isIdentifierTaken(ctx.clinic.id, identifiers, ownId, isMerged)
  const { taken, own } = await ctx.db.get<{ taken: number; own: number }>(
    sql`SELECT ${isTaken} AS taken, ${isOwn} AS own`,
  )
  if (taken) throw new Problem('identifier_in_use', own ? OF_MERGED : OF_ANOTHER)
}

const OF_ANOTHER =
  'Another patient has one of these identifiers; look that patient up, or correct the identifier'
const OF_MERGED =
  'A record that was merged into this one has one of these identifiers, so it is found; leave it out'

/** Those of the ids that are patients of the clinic, each with the record in use, in one query. */
export async function patientsById(ctx: Ctx, ids: string[]): Promise<Map<string, PatientRow>> {
  if (ids.length === 0) return new Map()
  const rows = await ctx.db
    .select({ asked: sql<string>`asked.value`, row: patients })
    .from(sql`json_each(${JSON.stringify(ids)}) AS asked`)
    .crossJoin(patients)
    .where(
      sql`${patients.id} = ${survivorOf(ctx.clinic.id, sql`asked.value`)}
        AND +${patients.clinicId} = ${ctx.clinic.id}`,
    )
  return new Map(rows.map(({ asked, row }) => [asked, row]))
}
