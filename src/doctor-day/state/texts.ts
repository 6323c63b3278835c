/**
 * What is written of an appointment. The log holds the number of a text and its mark; the text itself lies
 * beside the log with a key of its own (storage/texts.ts), and is erased together with that key. Without the
 * key a mark says nothing of its text: nobody can guess a text and compare.
 */

/** `reason`: why the visit. `notes`: for the desk. `cancel_reason`: why it was cancelled. */
export type TextKind = 'reason' | 'notes' | 'cancel_reason'

/** What is written of one appointment. */
export type Texts = Partial<Record<TextKind, string>>

/** `mac`: an HMAC of the text under its own key. */
export interface MarkedText {
  textId: number
  kind: TextKind
  mac: string
}

export type TextEvent =
  | ({ type: 'text_set'; appointmentId: string } & MarkedText)
  | { type: 'text_ended'; appointmentId: string; textId: number; why: TextEnd }
  /** Books nothing for this patient any more. */
  | { type: 'patient_erased'; patientId: string }

/** `moved`: the day that the appointment moved to has it. `released`: the appointment did not come. */
export type TextEnd = 'replaced' | 'removed' | 'moved' | 'released' | 'erased'

/** A text that exists beside the log. */
export interface LivingText extends MarkedText {
  appointmentId: string
}
