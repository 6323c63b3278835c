import { and, asc, eq, gte, isNull, lte, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { see } from '../doctor-day/client'
import { freeOf } from '../doctor-day/rules/free-slots'
import type { Slots } from '../doctor-day/state/slot-times'
import { scheduleOf, timesOf } from '../doctor-day/state/slot-times'
import { dayKey } from '../doctor-day/storage/address'
import { hasSpecialty, requireDoctor, selectDoctors as selectAll } from '../doctors/actions'
import { days, doctors } from '../doctors/model'
import { onDates } from '../doctors/on-date'
import { type DoctorTerms, isClosed, offOn, opening } from '../doctors/terms'
import { invalid } from '../http/failure'
import { cutPage, type Page } from '../lib/page'
import { requireService } from '../visit-kinds/actions'
import {
  type AskSlots,
  type AskSlotsOfAll,
  DATES_MAX,
  dateAfter,
  datesIn,
  type FreeSlot,
  usualEnd,
} from './model'

/** Free slots over some dates, of one doctor or of many: from D1’s copy of the days. */

type DayRow = typeof days.$inferSelect

/** More doctors than one search is for; `specialty` and `service` name fewer. */
const DOCTORS_MAX = 1_000

/** So many dates are read at once: a search mostly ends within the first ones. */
const DATES_AT_ONCE = 7

/** What is asked for: the dates, and how many neighbouring slots a visit takes. */
interface Search {
  from: string
  to: string
  span: number
  limit: number
  cursor: AskSlots['cursor']
}

export async function slotsOfDoctor(ctx: Ctx, doctorId: string, asked: AskSlots): Promise<Page<FreeSlot>> {
  const [doctor, service] = await Promise.all([requireDoctor(ctx, doctorId), serviceOf(ctx, asked)])
  const isOffered = !service?.doctors || service.doctors.includes(doctor.id)
  return searchSlots(ctx, isOffered ? [doctor] : [], searchOf(ctx, asked, service?.slots))
}

/** By date, then by time, then by doctor. */
export async function slotsOfAll(ctx: Ctx, asked: AskSlotsOfAll): Promise<Page<FreeSlot>> {
  const search = searchOf(ctx, asked, undefined)
  const [rows, service] = await Promise.all([selectDoctors(ctx, asked.specialty), serviceOf(ctx, asked)])
  const offering = service?.doctors ? rows.filter(({ id }) => service.doctors?.includes(id)) : rows
  if (offering.length > DOCTORS_MAX) throw tooMany()
  return searchSlots(ctx, offering, { ...search, span: service?.slots ?? 1 })
}

const tooMany = () =>
  invalid([
    {
      field: 'specialty',
      rule: 'required',
      message: `specialty or service must be sent: more than ${DOCTORS_MAX} doctors would be searched`,
    },
  ])

const serviceOf = async (ctx: Ctx, { service }: AskSlots) =>
  service === undefined ? null : requireService(ctx, service)

function searchOf(ctx: Ctx, { from, to, limit, cursor }: AskSlots, span = 1): Search {
  const here = today(ctx)
  const start = from ?? here
  const end = to ?? usualEnd(start)
  const wrong = (field: string, message: string) =>
    invalid([{ field, rule: 'range', message: `${field} ${message}` }])
  if (end < start) throw wrong('to', 'must not be before from')
  if (datesIn(start, end) > DATES_MAX) throw wrong('to', `must be within ${DATES_MAX} dates of from`)
  return { from: start < here ? here : start, to: end, span, limit, cursor }
}

const selectDoctors = (ctx: Ctx, specialty: string | undefined) =>
  selectAll(ctx)
    .where(and(eq(doctors.clinicId, ctx.clinic.id), isNull(doctors.retiredAt), hasSpecialty(specialty)))
    .orderBy(asc(doctors.id))
    .limit(DOCTORS_MAX + 1)

async function searchSlots(ctx: Ctx, searched: DoctorTerms[], search: Search): Promise<Page<FreeSlot>> {
  const { to, limit, cursor } = search
  const found: FreeSlot[] = []
  const slotsOf = freeSlotsOf(ctx, search.span)
  let from = cursor && cursor[0] > search.from ? cursor[0] : search.from
  while (from <= to && found.length <= limit && searched.length > 0) {
    const until = dateAfter(from, DATES_AT_ONCE - 1)
    const last = until < to ? until : to
    const ids = searched.map(({ id }) => id)
    const [used, onDate] = await Promise.all([usedDays(ctx, ids, from, last), onDates(ctx, ids, from, last)])
    for (let date = from; date <= last && found.length <= limit; date = dateAfter(date, 1)) {
      const here = searched.flatMap((doctor) =>
        slotsOf({ ...doctor, onDate: onDate(doctor.id, date) }, date, used.get(`${doctor.id}/${date}`)),
      )
      found.push(...here.sort(byTime).filter((slot) => !cursor || isAfter(slot, cursor)))
    }
    from = dateAfter(last, 1)
  }
  return cutPage(found, limit, sortKeyOf)
}

/** Slots without times come after the others of their date, by number. */
const timeOf = ({ starts_at }: FreeSlot): string => (starts_at ? new Date(starts_at).toISOString() : '~')

const sortKeyOf = (slot: FreeSlot): [string, string, string, number] => [
  slot.date,
  timeOf(slot),
  slot.doctor_id,
  slot.slot,
]

const compare = (one: (string | number)[], other: (string | number)[]): number => {
  for (const [place, value] of one.entries()) {
    const against = other[place] ?? ''
    if (value !== against) return value < against ? -1 : 1
  }
  return 0
}

const byTime = (one: FreeSlot, other: FreeSlot): number => compare(sortKeyOf(one), sortKeyOf(other))

const isAfter = (slot: FreeSlot, cursor: NonNullable<AskSlots['cursor']>): boolean =>
  compare(sortKeyOf(slot), cursor) > 0

/** What D1’s copy knows of a used day. */
interface UsedDay extends Slots {
  isPresent: boolean
  setAt: number | null
  taken: number[]
}

/** By doctor and date. A day that was copied before the copy had its slots is asked itself. */
async function usedDays(ctx: Ctx, doctorIds: string[], from: string, to: string) {
  const rows = await ctx.db
    .select({ day: days })
    .from(sql`json_each(${JSON.stringify(doctorIds)}) AS searched`)
    .innerJoin(
      days,
      and(
        eq(days.clinicId, ctx.clinic.id),
        sql`${days.doctorId} = searched.value`,
        gte(days.date, from),
        lte(days.date, to),
      ),
    )
  const used = await Promise.all(rows.map(async ({ day }) => [nameOf(day), await usedDay(ctx, day)] as const))
  return new Map(used)
}

const nameOf = ({ doctorId, date }: DayRow): string => `${doctorId}/${date}`

async function usedDay(ctx: Ctx, day: DayRow): Promise<UsedDay> {
  const { doctorId, date, isPresent, capacity, takenSlots, terms, setAt } = day
  if (takenSlots && terms) {
    const { timetable } = scheduleOf(date, terms.timeZone, terms.hours ?? null)
    return { isPresent, setAt, capacity, timetable, taken: takenSlots }
  }
  const { seen } = await see(ctx, dayKey(ctx.clinic.id, doctorId, date), { view: 'slots' })
  return { setAt, ...(seen ?? { isPresent, capacity: 0, timetable: null, taken: [] }) }
}

/** Many doctors of a clinic have the same hours, and the clocks of a date are slow to read. */
function freeSlotsOf(ctx: Ctx, span: number) {
  const known = new Map<string, Slots>()
  const unused = (doctor: DoctorTerms, date: string): Slots => {
    const { timeZone, capacity, hours } = opening(ctx, doctor, date)
    const name = JSON.stringify([date, capacity, hours])
    const slots = known.get(name) ?? {
      capacity,
      timetable: scheduleOf(date, timeZone, hours ?? null).timetable,
    }
    known.set(name, slots)
    return slots
  }
  return (doctor: DoctorTerms, date: string, used: UsedDay | undefined): FreeSlot[] => {
    if (used?.isPresent === false || isClosed(offOn(doctor, date), used ?? null)) return []
    const slots = used ?? unused(doctor, date)
    return freeOf(slots, new Set(used?.taken), { at: ctx.now, span }).map((slot) => {
      const { startsAt, endsAt } = timesOf(slots.timetable, slot, span)
      return { doctor_id: doctor.id, date, slot, starts_at: startsAt, ends_at: endsAt }
    })
  }
}
