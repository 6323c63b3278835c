import type { Command } from '../src/doctor-day/commands'
import type { Day } from '../src/doctor-day/state/day'
import { accept, clinicId, DATE, decline, OPENING, wait } from './day-commands'

/** Commands about wishes, aimed at what the day has: on it as the home (`2026-03-14`), and as another day. */

const [BEFORE, AFTER] = ['2026-03-13', '2026-03-15']

export const WISHING = [
  ...(['claim', 'won', 'lost', 'over', 'end', 'accept'] as const),
  ...(['home claims', 'home booked', 'home returned', 'home ended', 'give up'] as const),
] as const
export type Wishing = (typeof WISHING)[number]

export const joinWish = (n: number, patient: number): Command =>
  ({
    ...wait(n, patient),
    type: 'join_wish',
    of: { id: `i${patient}`, home: BEFORE, dates: [BEFORE, DATE] },
  }) as Command

export const makeWish = (n: number, patient: number): Command => {
  const { capacity } = OPENING
  const dates = [DATE, AFTER].map((date) => ({ date, capacity }))
  return { ...wait(n, patient), type: 'make_wish', wishId: `h${n}`, dates } as Command
}

export function aimWish(day: Day, nth: number, what: Wishing, index: number): Command {
  const pick = <T>(all: T[]): T | undefined => all[nth % Math.max(1, all.length)]
  const places = [...day.waitlist.values()].filter(({ of }) => of)
  const claimed = pick(places.filter(({ claim }) => claim))
  const place = pick(places.filter(({ offer }) => offer)) ?? pick(places)
  const wish = pick([...day.wishes.values()])
  if (what === 'claim')
    return { type: 'begin_claim', clinicId, waitId: place?.id ?? '', claimId: `c${index}`, opId: `o${index}` }
  if (what === 'won' || what === 'lost' || what === 'over') {
    const verdict = { isWon: what === 'won', won: what === 'won' ? DATE : AFTER, isOver: what === 'over' }
    const { id: waitId = '', claim } = claimed ?? {}
    const end = { type: 'end_claim', clinicId, waitId, claimId: claim?.id ?? '' } as const
    return { ...end, appointmentId: `a${50_000 + index}`, verdict }
  }
  if (what === 'end')
    return {
      type: 'end_place',
      opening: OPENING,
      wishId: place?.of?.id ?? `i${nth}`,
      won: nth % 2 ? BEFORE : null,
    }
  if (what === 'accept') return { ...accept(0, 60_000 + index), waitId: place?.id ?? '' } as Command
  const { id: wishId = '', claim } = wish ?? {}
  if (what === 'give up') return { ...decline(0), waitId: wishId } as Command
  if (what === 'home claims') return { type: 'claim_wish', clinicId, wishId, claimId: `c${nth}`, date: AFTER }
  const kind = what === 'home booked' ? 'booked' : what === 'home returned' ? 'returned' : 'ended'
  const report = { id: claim?.id ?? `c${nth}`, wishId, home: DATE, what: kind, how: 'test' } as const
  return { type: 'report_wish', clinicId, wishId, date: AFTER, report }
}
