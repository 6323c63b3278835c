import type { Ctx } from '../context'
import { type Aliases, aliasesOf } from '../doctor-day/state/person'
import { CLAIMED, joinClaim } from '../recorder/claims'
import { kindOf, type Row } from '../recorder/kind'

/** By which ids a patient is known, in one lot with what else a request asks for. */

/** Joins the row by which a patient was merged into another one. */
export const joinMerged = (patient: string) =>
  `LEFT JOIN merged_patients AS merged ON merged.clinic_id = clinic AND merged.old_id = ${patient}`

/** After `joinMerged`: the record in use, and as JSON the ids of those that were merged into it. */
export const person = (patient: string) => `coalesce(merged.survivor_id, ${patient}) AS survivor,
  (SELECT json_group_array(aliases.old_id) FROM merged_patients AS aliases
   WHERE aliases.clinic_id = clinic
     AND aliases.survivor_id = coalesce(merged.survivor_id, ${patient})) AS others`

export interface PersonRow {
  survivor: string | null
  /** A JSON array. */
  others: string
}

/** All ids of the person, the one of the record in use first; none where no patient was asked for. */
export const idsFound = ({ survivor = null, others = '[]' }: Partial<PersonRow>): string[] =>
  survivor === null ? [] : [survivor, ...(JSON.parse(others) as string[])]

/** An unknown id is known by itself. */
export const FIND_PERSON = kindOf<[patientId: string], string[]>({
  name: 'find_person',
  columns: ['patient'],
  onlyReads: true,
  statements: ({ sent }) => [
    `SELECT asked AS op, ${person('sent.patient')}, ${CLAIMED}
     FROM ${sent} ${joinMerged('sent.patient')} ${joinClaim}`,
  ],
  result: ([found]) => idsFound((found?.[0] ?? {}) as Row & Partial<PersonRow>),
})

/** Of a patient with one id there are none. The log of a day may name any of several. */
export const aliasesAmong = (ids: string[]): Aliases => aliasesOf({ alsoKnownAs: ids.length > 1 ? ids : [] })

/** Finds the other ids of a patient, and claims the key. */
export async function findAliases(ctx: Ctx, patientId: string) {
  const { opId, result } = await ctx.once.record(FIND_PERSON, patientId)
  return { opId, aliases: aliasesAmong(result) }
}
