import { and, asc, eq, gte, isNull, lte, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { see } from '../doctor-day/client'
import { freeOf } from '../doctor-day/rules/free-slots'
import type { Slots } from '../doctor-day/state/slot-times'
import { scheduleOf } from '../doctor-day/state/slot-times'
import { dayKey } from '../doctor-day/storage/address'
import { hasSpecialty, requireDoctor, selectDoctors as selectAll } from '../doctors/actions'
import { days, doctors } from '../doctors/model'
import { onDates } from '../doctors/on-date'
import { type DoctorTerms, isClosed, offOn, opening } from '../doctors/terms'
import { invalid } from '../http/failure'
import { cutPage, type Page } from '../lib/page'
import { requireService } from '../visit-kinds/actions'
import type { ServiceRow } from '../visit-kinds/model'
import { firstByTime, type OfDoctor, sortKeyOf } from './by-time'
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

/** Of more doctors one date mostly fills the page, so the search begins with one. */
const DOCTORS_FEW = 100

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
  const offering = [doctor].filter(({ id }) => offers(service, id))
  return searchSlots(ctx, offering, searchOf(ctx, asked, service?.slots))
}

/** By date, then by time, then by doctor. */
export async function slotsOfAll(ctx: Ctx, asked: AskSlotsOfAll): Promise<Page<FreeSlot>> {
  const search = searchOf(ctx, asked, undefined)
  const [rows, service] = await Promise.all([selectDoctors(ctx, asked.specialty), serviceOf(ctx, asked)])
  const offering = rows.filter(({ id }) => offers(service, id))
  if (offering.length > DOCTORS_MAX) throw tooMany()
  return searchSlots(ctx, offering, { ...search, span: service?.slots ?? 1 })
}

/** As a booking decides it: nobody offers a service that is retired. */
const offers = (service: ServiceRow | null, doctorId: string): boolean =>
  service === null || (service.retiredAt === null && (service.doctors?.includes(doctorId) ?? true))

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

async function searchSlots(ctx: Ctx, doctors: DoctorTerms[], search: Search): Promise<Page<FreeSlot>> {
  const { to, limit, span, cursor } = search
  const searched = doctors.toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const ids = searched.map(({ id }) => id)
  const found: FreeSlot[] = []
  const freeOn = freeSlotsOf(ctx, span)
  let from = cursor && cursor[0] > search.from ? cursor[0] : search.from
  let atOnce = searched.length > DOCTORS_FEW ? 1 : DATES_AT_ONCE
  while (from <= to && found.length <= limit && searched.length > 0) {
    const until = dateAfter(from, atOnce - 1)
    const last = until < to ? until : to
    const [used, onDate] = await Promise.all([usedDays(ctx, ids, from, last), onDates(ctx, ids, from, last)])
    for (let date = from; date <= last && found.length <= limit; date = dateAfter(date, 1)) {
      const free = searched.map((doctor) =>
        freeOn({ ...doctor, onDate: onDate(doctor.id, date) }, date, used.get(`${doctor.id}/${date}`)),
      )
      found.push(...firstByTime(free, { date, span, cursor, max: limit + 1 - found.length }))
    }
    from = dateAfter(last, 1)
    atOnce = Math.min(DATES_AT_ONCE, 2 * atOnce)
  }
  return cutPage(found, limit, sortKeyOf)
}

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
  const timetable = onceForEach(
    (date: string, { timeZone, hours }: NonNullable<DayRow['terms']>) =>
      scheduleOf(date, timeZone, hours ?? null).timetable,
  )
  const used = await Promise.all(
    rows.map(async ({ day }) => [nameOf(day), copied(day, timetable) ?? (await asked(ctx, day))] as const),
  )
  return new Map(used)
}

const nameOf = ({ doctorId, date }: DayRow): string => `${doctorId}/${date}`

type TimetableOf = (date: string, terms: NonNullable<DayRow['terms']>) => Slots['timetable']

function copied(day: DayRow, timetableOf: TimetableOf): UsedDay | null {
  const { date, isPresent, capacity, takenSlots, terms, setAt } = day
  if (!takenSlots || !terms) return null
  return { isPresent, setAt, capacity, timetable: timetableOf(date, terms), taken: takenSlots }
}

async function asked(ctx: Ctx, { doctorId, date, isPresent, setAt }: DayRow): Promise<UsedDay> {
  const { seen } = await see(ctx, dayKey(ctx.clinic.id, doctorId, date), { view: 'slots' })
  return { setAt, ...(seen ?? { isPresent, capacity: 0, timetable: null, taken: [] }) }
}

/** Many doctors of a clinic have the same hours, and the clocks of a date are slow to read. */
function onceForEach<Args extends unknown[], Result>(work: (...args: Args) => Result) {
  const known = new Map<string, Result>()
  return (...args: Args): Result => {
    const name = JSON.stringify(args)
    const result = known.get(name) ?? work(...args)
    known.set(name, result)
    return result
  }
}

function freeSlotsOf(ctx: Ctx, span: number) {
  const freeIn = (slots: Slots, taken: number[]) => freeOf(slots, new Set(taken), { at: ctx.now, span })
  const unused = onceForEach((terms: Omit<DoctorTerms, 'id' | 'retiredAt'>, date: string) => {
    const { timeZone, capacity, hours } = opening(ctx, { id: '', retiredAt: null, ...terms }, date)
    const slots = { capacity, timetable: scheduleOf(date, timeZone, hours ?? null).timetable }
    return { slots, free: freeIn(slots, []) }
  })
  return (doctor: DoctorTerms, date: string, used: UsedDay | undefined): OfDoctor => {
    const { id: doctorId, capacity, capacityByHours, workingHours, onDate } = doctor
    if (used?.isPresent === false || isClosed(offOn(doctor, date), used ?? null))
      return { doctorId, slots: NO_SLOTS, free: [] }
    if (used) return { doctorId, slots: used, free: freeIn(used, used.taken) }
    return { doctorId, ...unused({ capacity, capacityByHours, workingHours, onDate }, date) }
  }
}

const NO_SLOTS: Slots = { capacity: 0, timetable: null }
