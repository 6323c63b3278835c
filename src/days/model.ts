import * as v from 'valibot'
import { slotTimes, toSlotTimes } from '../appointments/model'
import type { Recorded } from '../doctor-day/state/event'
import { closedOf, type Ledger as DayLedger, isOverIn } from '../doctor-day/state/views'
import { DAMAGES, type Verdict as LogVerdict } from '../doctor-day/storage/verdict'
import { cursor, limit, PAGE_MAX } from '../lib/page'
import { component, text } from '../lib/schema'
import { DayDate, IsoInstant, iso, LocalDate } from '../lib/time'

/** One doctor on one local date. */
export const DayPath = v.object({ doctor_id: text(100), date: LocalDate })
export type DayPath = v.InferOutput<typeof DayPath>

/** A day on which something is made. */
export const DayToUse = v.object({ doctor_id: text(100), date: DayDate })

/** `?at=`: the day at that instant. */
export const AskDay = v.object({ at: v.optional(IsoInstant) })
export type AskDay = v.InferOutput<typeof AskDay>

/**
 * `id`: of the appointment, the hold, the waiting patient’s place or the move that the slot is taken by.
 * `over`: the slot is free and cannot be given any more, because it has begun or its date is past. `closed`:
 * the slot is free and is not given, because the doctor takes no patients on that date.
 */
const Slot = v.object({
  slot: v.number(),
  ...slotTimes,
  state: v.picklist(['free', 'over', 'closed', 'booked', 'held', 'offered']),
  id: v.nullable(v.string()),
})

/**
 * booked + held + offered + over + closed + remaining = capacity, at every version. `remaining` slots can be
 * given, none where `is_present` is false: then those that are not over are `closed`. `waiting`: patients
 * without an offer.
 */
export const Ledger = component('Ledger', {
  date: v.string(),
  time_zone: v.string(),
  is_present: v.boolean(),
  capacity: v.number(),
  booked: v.number(),
  held: v.number(),
  offered: v.number(),
  over: v.number(),
  closed: v.number(),
  remaining: v.number(),
  waiting: v.number(),
  version: v.number(),
  slots: v.array(Slot),
})
export type Ledger = v.InferOutput<typeof Ledger>

const STATES = { appointment: 'booked', hold: 'held', offer: 'offered', reservation: 'held' } as const

/** The day as it looked at an instant (epoch ms). */
export function toLedger({ timeZone, isPresent, slots, setAt: _, ...ledger }: DayLedger, at: number): Ledger {
  const isOver = isOverIn({ timeZone, date: ledger.date }, at)
  const stateOf = (slot: DayLedger['slots'][number]) => {
    if (slot.occupant) return STATES[slot.occupant.kind]
    if (isOver(slot)) return 'over'
    return isPresent ? 'free' : 'closed'
  }
  const over = slots.filter(isOver).length
  return {
    ...ledger,
    over,
    ...closedOf({ isPresent, remaining: ledger.remaining - over }),
    time_zone: timeZone,
    is_present: isPresent,
    slots: slots.map((each) => ({
      slot: each.slot,
      ...toSlotTimes(each),
      state: stateOf(each),
      id: each.occupant?.id ?? null,
    })),
  }
}

/** `since`: the number of the last event that the caller has. */
export const ListDayEvents = v.object({
  since: v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'must be a whole number'), v.transform(Number)),
    '0',
  ),
  limit: limit(PAGE_MAX),
})
export type ListDayEvents = v.InferOutput<typeof ListDayEvents>

/**
 * `seq` counts 1, 2, 3 … without a gap; `actor` is the API key, and `staff_id` the person whose key it is;
 * `data` holds the fields of that `type`.
 */
export const DayEvent = component('DayEvent', {
  seq: v.number(),
  at: v.string(),
  actor: v.string(),
  staff_id: v.nullable(v.string()),
  type: v.string(),
  data: v.record(v.string(), v.unknown()),
})
export type DayEvent = v.InferOutput<typeof DayEvent>

/** An event that a newer version of the service has written is shown as stored. */
export function toDayEvent({ seq, at, actor, ...event }: Recorded, staffId: string | null): DayEvent {
  const { type, ...data }: Record<string, unknown> =
    event.type === 'unknown' ? JSON.parse(event.stored) : event
  // Cancellations of an earlier version hold their reason.
  const shown = inSnakeCase('reason' in data ? { ...data, reason: null } : data) as Record<string, unknown>
  return { seq, at: iso(at), actor, staff_id: staffId, type: String(type), data: shown }
}

/** Events are stored in camelCase; the API’s JSON is snake_case. */
function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [snakeCase(name), inSnakeCase(inner)]),
  )
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const chain = { head: v.nullable(v.string()), count: v.number() }

/**
 * `head` is the hash of the last event (null on an unused day) and `count` the number of events, both as
 * stored when that event was appended. `bad_seq` is the first event that was changed, deleted or inserted;
 * where no event is at fault, `reason` says what is.
 */
export const Verdict = v.pipe(
  v.variant('ok', [
    v.object({ ok: v.literal(true), ...chain }),
    v.object({
      ok: v.literal(false),
      ...chain,
      bad_seq: v.optional(v.number()),
      reason: v.optional(v.picklist(DAMAGES)),
    }),
  ]),
  v.metadata({ ref: 'Verdict' }),
)
export type Verdict = v.InferOutput<typeof Verdict>

export const toVerdict = (verdict: LogVerdict): Verdict => {
  const { head, count } = verdict
  if (verdict.ok) return { ok: true, head, count }
  const { badSeq, reason } = verdict
  return { ok: false, head, count, ...(badSeq === undefined ? { reason } : { bad_seq: badSeq }) }
}

/** `rebuild`: from D1’s copy. `accept_loss`: empty. */
export const RepairDay = component('RepairDay', {
  doctor_id: text(100),
  date: LocalDate,
  how: v.picklist(['rebuild', 'accept_loss']),
})
export type RepairDay = v.InferOutput<typeof RepairDay>

/** `appointments` and `check_ins`: how many the day has now. */
export const RepairedDay = component('RepairedDay', {
  clinic_id: v.string(),
  doctor_id: v.string(),
  date: v.string(),
  state: v.picklist(['live', 'loss_accepted']),
  appointments: v.number(),
  check_ins: v.number(),
})
export type RepairedDay = v.InferOutput<typeof RepairedDay>

/** `cursor`: the `next` of the answer before. */
export const ResyncClinic = component('ResyncClinic', { cursor: cursor(v.string(), v.string()) })
export type ResyncClinic = v.InferOutput<typeof ResyncClinic>

/** `next` is null where no days are left. `not_copied`: days that refused, and why. */
export const ResyncedClinic = component('ResyncedClinic', {
  days: v.number(),
  events: v.number(),
  not_copied: v.array(v.object({ doctor_id: v.string(), date: v.string(), why: v.string() })),
  next: v.nullable(v.string()),
})
export type ResyncedClinic = v.InferOutput<typeof ResyncedClinic>

/** `events`: how many events are being copied again. */
export const Resync = component('Resync', { events: v.number() })
export type Resync = v.InferOutput<typeof Resync>
