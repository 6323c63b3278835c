import * as v from 'valibot'
import {
  type WorkingHours as DayHours,
  minutesOf,
  SLOTS_MAX,
  usualSlots,
} from '../doctor-day/state/slot-times'
import { DAY_MS, MINUTE_MS } from '../lib/time'

const MINUTES_PER_SLOT_MAX = DAY_MS / MINUTE_MS
const MINUTES_RULE = `must be a whole number from 1 to ${MINUTES_PER_SLOT_MAX}`
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d'

const BREAKS_MAX = 10

const From = v.pipe(v.string(), v.regex(new RegExp(`^${CLOCK}$`), 'must be a time like 09:00'))
const To = v.pipe(
  v.string(),
  v.regex(new RegExp(`^(?:${CLOCK}|24:00)$`), 'must be a time like 17:00, at most 24:00'),
)

/**
 * When a doctor works, in the clinic’s local time, within one date. A slot that a break touches is not given;
 * the other slots keep their numbers and times, so a break can be added to a day that is in use.
 */
export const WorkingHours = v.pipe(
  v.object({
    from: From,
    to: To,
    minutes_per_slot: v.pipe(
      v.number(),
      v.integer(MINUTES_RULE),
      v.minValue(1, MINUTES_RULE),
      v.maxValue(MINUTES_PER_SLOT_MAX, MINUTES_RULE),
    ),
    /** In order of time. */
    breaks: v.optional(
      v.pipe(
        v.array(v.object({ from: From, to: To })),
        v.maxLength(BREAKS_MAX, `must have at most ${BREAKS_MAX} breaks`),
      ),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.issues) return
    const hours = dataset.value
    const broken = brokenHours(toDayHours(hours))
    if (!broken) return
    const [key, message] = broken
    addIssue({
      message,
      path: [{ type: 'object', origin: 'value', input: { ...hours }, key, value: hours[key] }],
    })
  }),
  v.metadata({ ref: 'WorkingHours' }),
)
export type WorkingHours = v.InferOutput<typeof WorkingHours>

function brokenHours(hours: DayHours): ['to' | 'minutes_per_slot' | 'breaks', string] | null {
  const { breaks, ...unbroken } = hours
  const slots = usualSlots(unbroken)
  if (minutesOf(hours.from) >= minutesOf(hours.to)) return ['to', 'must be later than from']
  if (slots < 1) return ['minutes_per_slot', 'must be small enough that one slot fits between from and to']
  if (slots > SLOTS_MAX)
    return ['minutes_per_slot', `must be large enough that a day has at most ${SLOTS_MAX} slots`]
  if (!areInOrder(hours)) return ['breaks', 'must lie between from and to, in order, and not overlap']
  return usualSlots(hours) < 1 ? ['breaks', 'must leave at least one slot'] : null
}

/** Each time is later than the one before; a break may begin where another, or the hours, begin or end. */
function areInOrder({ from, to, breaks = [] }: DayHours): boolean {
  const edges = [from, ...breaks.flatMap((one) => [one.from, one.to]), to].map(minutesOf)
  const isLater = edges.every((edge, place) => place === 0 || edge >= (edges[place - 1] ?? 0))
  return isLater && breaks.every((one) => minutesOf(one.from) < minutesOf(one.to))
}

export const toDayHours = ({ from, to, minutes_per_slot, breaks = [] }: WorkingHours): DayHours => ({
  from,
  to,
  minutesPerSlot: minutes_per_slot,
  ...(breaks.length > 0 && { breaks }),
})

export const toWorkingHours = ({ from, to, minutesPerSlot, breaks }: DayHours): WorkingHours => ({
  from,
  to,
  minutes_per_slot: minutesPerSlot,
  ...(breaks && { breaks }),
})
