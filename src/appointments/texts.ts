import * as v from 'valibot'
import { mayUse } from '../access/permissions'
import type { Ctx } from '../context'
import { decideOn, see } from '../doctor-day/client'
import type { Texts } from '../doctor-day/state/texts'
import { component, lines } from '../lib/schema'
import { dayOfAppointment, noRecord } from './ids'
import { Appointment, toAppointment } from './model'

/** What is written of an appointment: only its day has it, and no reply that is kept contains it. */

/**
 * With what is written of the appointment; what is not there is left out. No list shows it. Notes are for
 * the desk: only keys that may write appointments get them.
 */
export const AppointmentDetails = component('AppointmentDetails', {
  ...Appointment.entries,
  reason: v.optional(v.string()),
  notes: v.optional(v.string()),
  cancel_reason: v.optional(v.string()),
})
export type AppointmentDetails = v.InferOutput<typeof AppointmentDetails>

const removable = (max: number) => v.pipe(lines(max), v.description('null removes it'))

/** Null removes a text; what is left out stays. */
export const ChangeAppointment = v.pipe(
  v.object({ reason: v.nullish(removable(500)), notes: v.nullish(removable(2_000)) }),
  v.check(
    (wanted) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangeAppointment' }),
)
export type ChangeAppointment = v.InferOutput<typeof ChangeAppointment>

/** What a request says of the visit that it books. */
export function textsOf({ reason, notes }: { reason?: string | undefined; notes?: string | undefined }) {
  const texts: Texts = { ...(reason !== undefined && { reason }), ...(notes !== undefined && { notes }) }
  return Object.keys(texts).length > 0 ? texts : undefined
}

export async function getDetails(ctx: Ctx, id: string): Promise<AppointmentDetails> {
  const asked = { view: 'appointment', id, withTexts: true } as const
  const { seen, texts } = await see(ctx, await dayOfAppointment(ctx, id), asked)
  if (!seen) throw noRecord()
  const { notes, ...others } = texts ?? {}
  const isDesk = mayUse(ctx, 'appointments:write')
  return { ...toAppointment(seen), ...others, ...(isDesk && notes !== undefined && { notes }) }
}

/** A retry gets the appointment as it is now: the reply that the day remembers has no texts. */
export async function changeAppointment(
  ctx: Ctx,
  id: string,
  { reason, notes }: ChangeAppointment,
): Promise<AppointmentDetails> {
  const day = await dayOfAppointment(ctx, id)
  const { opId } = await ctx.once.claim()
  const removed = Object.entries({ reason, notes }).flatMap(([kind, value]) => (value === null ? [kind] : []))
  const command = {
    type: 'set_texts',
    clinicId: ctx.clinic.id,
    appointmentId: id,
    removed: removed as (keyof Texts)[],
  } as const
  const texts = textsOf({ reason: reason ?? undefined, notes: notes ?? undefined })
  await decideOn(ctx, day, opId, command, undefined, texts)
  return getDetails(ctx, id)
}
