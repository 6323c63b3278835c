import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { DAY_MS, LocalDate } from '../lib/time'

export const DATES_MAX = 62
const DATES_USUAL = 7

/** `from` is today at the clinic unless it is named; `to` is included, and six days later unless named. */
const RANGE = {
  from: v.optional(LocalDate),
  to: v.optional(LocalDate),
  /** The id of a service: then the slots are those at which such a visit can begin. */
  service: v.optional(text(100)),
  limit: limit(200),
}

export const AskSlots = v.object({ ...RANGE, cursor: cursor(v.string(), v.string(), v.string(), v.number()) })
export type AskSlots = v.InferOutput<typeof AskSlots>

export const AskSlotsOfAll = v.object({
  ...AskSlots.entries,
  /** Only doctors of this specialty, in any case. */
  specialty: v.optional(text(200)),
})
export type AskSlotsOfAll = v.InferOutput<typeof AskSlotsOfAll>

/** A slot that is free, as far as D1’s copy knows. The day decides when it is booked. */
export const FreeSlot = component('FreeSlot', {
  doctor_id: v.string(),
  date: v.string(),
  slot: v.number(),
  starts_at: v.nullable(v.string()),
  ends_at: v.nullable(v.string()),
})
export type FreeSlot = v.InferOutput<typeof FreeSlot>

export const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10)

/** How many dates a range has, both ends included. */
export const datesIn = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / DAY_MS + 1

export const usualEnd = (from: string): string => dateAfter(from, DATES_USUAL - 1)
