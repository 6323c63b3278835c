import { Temporal } from 'temporal-polyfill'

/** What Temporal says of clocks, asked in other ways than the source does. */

export const iso = (at: Temporal.ZonedDateTime): string =>
  at.toString({ timeZoneName: 'never', smallestUnit: 'second' })

/** When a clock on the wall shows `time`; 00:00 is the beginning of the date and 24:00 its end. */
export function onTheWall(date: string, time: string, timeZone: string): Temporal.ZonedDateTime {
  const day = Temporal.PlainDate.from(date)
  if (time === '24:00') return day.add({ days: 1 }).toZonedDateTime(timeZone).startOfDay()
  if (time === '00:00') return day.toZonedDateTime(timeZone).startOfDay()
  return Temporal.ZonedDateTime.from(`${date}T${time}[${timeZone}]`, { disambiguation: 'compatible' })
}

/** Slot after slot, as long as the next one ends within the hours. */
export function* walk(begin: Temporal.ZonedDateTime, end: Temporal.ZonedDateTime, minutes: number) {
  for (let from = begin; ; ) {
    const to = from.add({ minutes })
    if (Temporal.ZonedDateTime.compare(to, end) > 0) return
    yield { startsAt: iso(from), endsAt: iso(to) }
    from = to
  }
}
