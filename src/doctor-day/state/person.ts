/** Who a patient is: records of one person that were made twice can be merged into one. */

/**
 * A patient, with the ids of the records that were merged into this one. A log keeps the ids that it was
 * written with: an event that names any of them is about this patient.
 */
export interface Person {
  patientId: string
  alsoKnownAs?: readonly string[]
}

export type Aliases = Pick<Person, 'alsoKnownAs'>

export const idsOf = ({ patientId, alsoKnownAs = [] }: Person): string[] => [patientId, ...alsoKnownAs]

/** Absent where there are none. */
export const aliasesOf = ({ alsoKnownAs = [] }: Aliases): Aliases =>
  alsoKnownAs.length > 0 ? { alsoKnownAs } : {}
