import { today } from '../access/actions'
import { mayUse } from '../access/permissions'
import type { Ctx } from '../context'
import { iso } from '../lib/time'
import { ageOf, etagOf, type Patient, type PatientRow } from './model'

/** What a key is shown of a patient. */

/** A record, and the ETag that a change of it must name. */
export interface Versioned {
  patient: Patient
  etag: string
}

export const toVersioned = (row: PatientRow, ctx: Ctx): Versioned => ({
  patient: toPatient(row, ctx),
  etag: etagOf(row.version),
})

/** Notes are for the desk: whoever registers and changes patients. */
export const readsNotes = (ctx: Ctx): boolean => mayUse(ctx, 'patients:write')

export const toPatient = (row: PatientRow, ctx: Ctx): Patient => ({
  id: row.id,
  name: row.name,
  age: ageOf(row, today(ctx)),
  gender: row.gender,
  phone: row.phone,
  email: row.email,
  created_at: iso(row.createdAt),
  birth_date: row.birthDate,
  identifiers: row.identifiers ?? [],
  language: row.language,
  notes: readsNotes(ctx) ? row.notes : null,
  contact_ok: row.contactOk,
})
