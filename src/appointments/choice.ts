import * as v from 'valibot'
import type { Choice } from '../doctor-day/commands'
import { SLOTS_MAX } from '../doctor-day/state/slot-times'
import { text } from '../lib/schema'
import { IsoInstant, instantOf } from '../lib/time'

/** What a request says of the slot that it wants. */

/**
 * A patient may have one appointment with a doctor a day; true allows another one. Absent, the setting of the
 * clinic counts. What identifies a request takes an absent one for false, as before there was a setting.
 */
export const AllowAnother = v.exactOptional(v.undefinedable(v.boolean(), false))

const SLOT_RULE = `must be a whole number from 1 to ${SLOTS_MAX}`

/** What the visit is for, which says how many slots it takes. */
export const ServiceId = v.optional(text(100))

/** At most one of them; without any, the day gives its lowest free slot. */
export const choiceFields = {
  /** The number of the slot. */
  slot: v.optional(
    v.pipe(v.number(), v.integer(SLOT_RULE), v.minValue(1, SLOT_RULE), v.maxValue(SLOTS_MAX, SLOT_RULE)),
  ),
  /** When the slot begins: date, time and zone. */
  starts_at: v.optional(IsoInstant),
  /** When the slot begins, by the clock of the clinic, on `date`. */
  time: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time with two digits each, like 09:30'),
    ),
  ),
}

interface Chosen {
  slot?: number | undefined
  starts_at?: string | undefined
  time?: string | undefined
}

const TWO_CHOICES = 'cannot be sent with another choice; send one of slot, starts_at and time'

/** Of two choices the second is at fault. */
export const oneChoice = <Wanted extends Chosen>() =>
  v.rawCheck<Wanted>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const sent = (['slot', 'starts_at', 'time'] as const).filter((key) => dataset.value[key] !== undefined)
    for (const key of sent.slice(1))
      addIssue({
        message: TWO_CHOICES,
        path: [{ type: 'object', origin: 'value', input: {}, key, value: dataset.value[key] }],
      })
  })

/** For a command: without a choice, nothing. */
export function choiceOf({ slot, starts_at, time }: Chosen): { choice?: Choice } {
  if (slot !== undefined) return { choice: { slot } }
  if (time !== undefined) return { choice: { time } }
  return starts_at === undefined ? {} : { choice: { startsAt: Date.parse(instantOf(starts_at)) } }
}
