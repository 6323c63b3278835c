import { and, eq, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { selectStaying, stays } from '../erasures/staying'
import type { IfMatch } from '../http/etag'
import { invalid } from '../http/failure'
import { FOLDING, foldName } from '../lib/folding'
import { toE164 } from '../lib/phone'
import { survivorOf } from '../merges/model'
import { alreadyMerged, selectMerge } from '../merges/person'
import { notFound, Problem } from '../problem'
import { badPhone, ifUnowned, isPatient, passOn, refuseTaken, selectPatient } from './actions'
import { birthFault, storedAge } from './birth'
import { contradicts, foldGender, refold, saidOf, selectOutdated } from './identity'
import { type ChangePatient, etagOf, type PatientRow, patients } from './model'
import { isIdentifierTaken } from './search'
import { toVersioned, type Versioned } from './shown'

/**
 * Changes a record as it was when the caller read it: `ifMatch` is the ETag of that answer. A record that was
 * merged into another one stays as it is, and that of a patient who is being erased is not found. A patient
 * cannot take the phone of another one unless they share it, and two patients of one phone do not become one
 * name. A retry gets the record as it is by then.
 */
export async function changePatient(
  ctx: Ctx,
  id: string,
  wanted: ChangePatient,
  ifMatch: IfMatch | undefined,
): Promise<Versioned> {
  const before = await readFolded(ctx, id, wanted)
  if (ifMatch === undefined)
    throw new Problem('if_match_required', 'Send If-Match with the ETag of the record')
  const after = changed(ctx, before, wanted)
  const isRead = ifMatch(etagOf(before.version))
  const identifiers = wanted.identifiers ?? []
  const fault = birthFault({ age: wanted.age ?? null, birth_date: after.birthDate }, today(ctx))
  const staying = selectStaying(ctx, id)
  const { opId, reply, results } = await ctx.once.transact(
    (op) => {
      const isFirst = sql`${op} = ${ctx.once.opId}`
      return [
        ctx.db
          .update(patients)
          .set({
            ...after,
            ...placeOf(ctx, before, after),
            folding: FOLDING,
            version: sql`${patients.version} + 1`,
            changeOp: op,
          })
          .where(
            and(
              isPatient(ctx, id),
              eq(patients.version, isRead && !fault ? before.version : NO_VERSION),
              isFirst,
              stays(ctx, id),
              sql`NOT EXISTS ${selectMerge(ctx, id)}`,
              sql`NOT ${isTaken(ctx, before, after, wanted.shared_phone)}`,
              identifiers.length === 0
                ? undefined
                : sql`NOT ${isIdentifierTaken(ctx.clinic.id, identifiers, id)}`,
            ),
          ),
        audited(ctx, 'patient.changed', id),
        passOn(ctx, before.phone, isFirst),
        selectPatient(ctx, id),
        selectMerge(ctx, id),
        ctx.once.keep(sql`SELECT 'changed' FROM patients WHERE ${isPatient(ctx, id)} AND change_op = ${op}`),
        staying,
      ]
    },
    [staying],
  )
  const [[row], [merge], [isStaying]] = [results[3], results[4], results[6]]
  if (!row || !isStaying) throw notFound('Patient')
  if (row.changeOp === opId || reply !== null) return toVersioned(row, ctx)
  if (merge) throw alreadyMerged(merge.survivorId)
  if (!isRead || row.version !== before.version) throw new Problem('record_changed', CHANGED)
  if (fault) throw invalid([fault])
  await refuseTaken(ctx, identifiers, id)
  throw new Problem('phone_in_use', after.phone === before.phone ? SAME_NAME : PHONE_TAKEN)
}

/** Counts begin at 1. */
const NO_VERSION = 0

const CHANGED = 'The record has changed since it was read; read it again, and send the ETag of that answer'
const PHONE_TAKEN = 'Another patient has this phone; if they share it, send shared_phone: true'
const SAME_NAME =
  'Another patient has this name and phone; if they are two, send shared_phone: true and an age or gender'

/** The patient, once all names on both phones are folded by the rule of today: SQL compares folded names. */
async function readFolded(ctx: Ctx, id: string, { phone }: ChangePatient): Promise<PatientRow> {
  const e164 = phone === undefined ? null : toE164(phone, ctx.clinic.country)
  const phones = sql`(${e164}, (SELECT phone FROM patients WHERE ${isPatient(ctx, id)}))`
  const [[row], outdated] = await ctx.db.batch([
    selectPatient(ctx, id),
    selectOutdated(ctx.db, ctx.clinic.id, phones),
  ])
  if (!row) throw notFound('Patient')
  if (outdated.length === 0) return row
  await refold(ctx.db, ctx.clinic.id, outdated)
  const [folded] = await selectPatient(ctx, id)
  if (!folded) throw notFound('Patient')
  return folded
}

function changed(ctx: Ctx, before: PatientRow, wanted: ChangePatient) {
  const { name = before.name, gender = before.gender, email = before.email } = wanted
  const {
    language = before.language,
    notes = before.notes,
    contact_ok: contactOk = before.contactOk,
  } = wanted
  const { birth_date: birthDate = before.birthDate, identifiers = before.identifiers } = wanted
  const phone = wanted.phone === undefined ? before.phone : toE164(wanted.phone, ctx.clinic.country)
  if (phone === null) throw badPhone(wanted.phone ?? '')
  // An age that is not said again was said when it was said first.
  const isAged = wanted.age === undefined && birthDate === null
  const aged = isAged ? before : storedAge({ age: wanted.age ?? null, birth_date: birthDate }, ctx)
  return {
    ...{ name, nameFolded: foldName(name), phone, gender, genderFolded: foldGender(gender), email },
    ...{ age: aged.age, ageAt: aged.ageAt, birthDate, language, notes, contactOk },
    identifiers: identifiers?.length ? identifiers : null,
  }
}

type Changed = ReturnType<typeof changed>

/** What the unique indexes of patients need of one who has another name or phone from now on. */
function placeOf(ctx: Ctx, before: PatientRow, after: Changed) {
  if (after.phone === before.phone && after.nameFolded === before.nameFolded) return {}
  const namesake = sql<number>`(SELECT coalesce(max(q.namesake) + 1, 0) FROM patients q
    WHERE ${isNamed(ctx, after)} AND q.id <> ${before.id})`
  if (after.phone === before.phone) return { namesake }
  return { namesake, phoneOwner: ifUnowned(ctx, after.phone) }
}

const isNamed = (ctx: Ctx, { phone, nameFolded }: Changed) =>
  sql`q.clinic_id = ${ctx.clinic.id} AND q.phone = ${phone} AND q.name_folded = ${nameFolded}`

/**
 * Whether another patient has the new phone, or could no longer be told from this one. Records that were
 * merged into this one are no other patient.
 */
function isTaken(ctx: Ctx, before: PatientRow, after: Changed, isShared: boolean): SQL {
  const isMoved = after.phone !== before.phone
  const isRenamed = after.nameFolded !== before.nameFolded
  const isCorrected =
    after.age !== before.age ||
    after.ageAt !== before.ageAt ||
    after.birthDate !== before.birthDate ||
    after.genderFolded !== before.genderFolded
  if (!isMoved && !isRenamed && !isCorrected) return sql`false`
  const at = after.age === null ? ctx.now : (after.ageAt ?? before.createdAt)
  const isOther = contradicts('q', saidOf({ ...after, at }))
  const isNamesake = isNamed(ctx, after)
  const isAlike = isRenamed && !isShared ? isNamesake : sql`${isNamesake} AND NOT ${isOther}`
  const hasPhone = sql`q.clinic_id = ${ctx.clinic.id} AND q.phone = ${after.phone}`
  const condition = isMoved && !isShared ? hasPhone : isAlike
  const isOthers = sql`${survivorOf(ctx.clinic.id, sql`q.id`)} <> ${before.id}`
  return sql`EXISTS (SELECT 1 FROM patients q WHERE ${condition} AND ${isOthers})`
}
