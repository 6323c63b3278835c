import type { Command, CommandOf, Known, Operation } from '../commands'
import type { Refusal } from '../refused'
import type { Absence } from '../state/absences'

/** What is asked of a day about many appointments at once, and what it answers. */

/** One of several operations of a call. */
export interface Step {
  operation: Operation
  command: Command
}

/** By patient: the other ids of those whose records were merged. */
export type KnownAliases = Readonly<Record<string, readonly string[]>>

/** `known`: what D1 knows of the day in `moveTo`. `notOffered`: the services that the doctor there lacks. */
export type AbsenceWanted = CommandOf<'declare_absence'> & {
  known: Known | null
  aliases?: KnownAliases
  notOffered?: string[]
}

/** What became of an affected appointment: a refusal says why it is still where it was. */
export type Relocated = 'moved' | 'waitlisted' | 'checked_in' | 'service_not_offered' | Refusal

/** The absence as it now stands, and what became of the appointments that could be moved. */
export interface Relief {
  absence: Absence
  ends: { appointmentId: string; end: Relocated }[]
}
