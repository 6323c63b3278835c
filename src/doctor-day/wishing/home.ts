import { SECOND_MS } from '../../lib/time'
import type { Answer, CommandOf, Operation, Replies } from '../commands'
import { keyOf, operationOf } from '../moving/ending'
import type { MoveHost } from '../moving/settling'
import type { Refusal } from '../refused'
import { dateRefusal } from '../rules/off'
import type { Opening, Visit } from '../state/day'
import { aliasesOf } from '../state/person'
import { visitOf } from '../state/records'
import type { PlaceAnswer, Wish, WishReport } from '../state/wish'
import { NEW_ID } from '../storage/address'

/** After this time without word of a claim that won, the home asks the day that it gave the wish to. */
export const CLAIM_INQUIRY_MS = 30 * SECOND_MS

/** The actor of the steps that no caller is waiting for. */
const CLOCK = 'clock'

/** Refusals after which a day is asked again. Any other one is its answer. */
const ASKED_AGAIN: Refusal[] = ['unavailable', 'newer_version', 'day_damaged']

type OwnWish = Wish & Visit

/** What the home of a wish asks of the other days, and tells them. */
export function wishHome(source: MoveHost, postpone: (error: unknown) => void) {
  const { day, perform, others, wakeAt } = source

  /** Answers with what the days have answered by then; the alarm asks again those that have not. */
  async function make(
    operation: Operation,
    command: CommandOf<'make_wish'>,
  ): Promise<Answer<Replies['make_wish']>> {
    const made = perform(operation, command)
    if (!made.ok) return made
    const { id } = made.reply
    const wish = day().wishes.get(id)
    if (wish) await place(wish)
    return { ...made, reply: { ...made.reply, wish: day().wishes.get(id) ?? null } }
  }

  /** Never throws. */
  async function place(wish: OwnWish): Promise<void> {
    if (wish.end) return
    const asked = wish.dates.filter(({ date }) => wish.places.get(date)?.state === 'asked')
    const answers = await Promise.all(
      asked.map(({ date }) =>
        askFor(wish, date).catch((error: unknown) => {
          postpone(error)
          return null
        }),
      ),
    )
    const { clinicId = '' } = day().identity ?? {}
    const places = answers.filter((answer) => answer !== null)
    if (places.length === 0) return
    const { id: wishId, actor } = wish
    const steps = places.map(({ date }) => date).join()
    perform(operationOf(wishId, `place:${steps}`, actor), { type: 'place_wish', clinicId, wishId, places })
  }

  async function askFor(wish: OwnWish, date: string): Promise<PlaceAnswer> {
    const { id, actor, patientId, allowAnother, choice, dates } = wish
    const opening = openingOn(wish, date)
    if (dateRefusal(opening, Date.now())) return { date, refused: 'date_over' }
    // The day remembers a refusal too, so that a repeated question gets the same answer.
    const operation = { ...operationOf(id, `join:${date}`, actor), isKeyed: true }
    const answer = await others.perform(keyOf(opening), operation, {
      type: 'join_wish',
      opening,
      waitId: NEW_ID,
      patientId,
      ...aliasesOf(wish),
      ...visitOf(wish),
      allowAnother,
      ...(choice && { choice }),
      of: { id, home: day().identity?.date ?? '', dates: dates.map((one) => one.date) },
    })
    if (answer.ok) return { date, waitId: answer.reply.waitId }
    if (ASKED_AGAIN.includes(answer.refused)) throw new Error(`Refused: ${answer.refused}`)
    return { date, refused: answer.refused }
  }

  function openingOn({ dates, offerMinutes }: Wish, date: string): Opening {
    const { identity, timeZone } = day()
    const { clinicId = '', doctorId = '' } = identity ?? {}
    const { capacity = 0, hours, off } = dates.find((one) => one.date === date) ?? {}
    const terms = { ...(hours && { hours }), ...(off && { off }) }
    const settings = offerMinutes !== undefined && { offerMinutes }
    return { clinicId, doctorId, date, timeZone, capacity, ...terms, ...settings }
  }

  const hasUntold = () => [...day().wishes.values()].some(({ untold }) => untold.size > 0)

  /** Tells the days that a wish has ended, until each has acknowledged it. Never throws. */
  async function tell(): Promise<void> {
    const ended = [...day().wishes.values()].filter(({ untold }) => untold.size > 0)
    await Promise.all(
      ended.map(async (wish) => {
        const dates = [...wish.untold]
        const told = await Promise.all(dates.map((date) => tellOne(wish, date).catch(failed)))
        const done = dates.filter((_, n) => told[n])
        const { id: wishId } = wish
        const { clinicId = '' } = day().identity ?? {}
        if (done.length > 0)
          perform(operationOf(wishId, `told:${done.join()}`, CLOCK), {
            type: 'told_wish',
            clinicId,
            wishId,
            dates: done,
          })
      }),
    ).catch(postpone)
  }

  function failed(error: unknown): false {
    postpone(error)
    return false
  }

  /** On a date that is over nobody waits any more. */
  async function tellOne(wish: Wish, date: string): Promise<true> {
    const opening = openingOn(wish, date)
    if (dateRefusal(opening, Date.now())) return true
    const { id: wishId, end } = wish
    const command = { type: 'end_place', opening, wishId, won: end?.date ?? null } as const
    acknowledged(await others.perform(keyOf(opening), operationOf(wishId, 'end_place', CLOCK), command))
    return true
  }

  /**
   * The day that won has died since. Where it knows nothing of the claim, its log was lost: the wish is open
   * again, unless the patient is booked there.
   */
  async function askWinner({ id: wishId, claim, patientId }: Wish): Promise<void> {
    const { identity } = day()
    if (!claim || !identity) return
    const askAt = claim.at + CLAIM_INQUIRY_MS
    if (Date.now() < askAt) return wakeAt(askAt)
    const { clinicId } = identity
    const query = { view: 'claim', id: claim.id, patientId } as const
    const state = await others.see(keyOf({ ...identity, date: claim.date }), clinicId, query)
    if (state === 'claiming') return wakeAt(Date.now() + CLAIM_INQUIRY_MS)
    // That day may have reported meanwhile, and forgotten the claim since.
    if (day().wishes.get(wishId)?.claim?.id !== claim.id) return
    const what = state ?? 'returned'
    const report: WishReport = { id: claim.id, wishId, home: identity.date, what, how: 'asked' }
    const { date } = claim
    const operation = operationOf(claim.id, `asked:${Date.now()}`, CLOCK)
    perform(operation, { type: 'report_wish', clinicId, wishId, date, report })
  }

  const isUnplaced = ({ end, places }: Wish): boolean =>
    end === null && [...places.values()].some(({ state }) => state === 'asked')

  async function settle(): Promise<void> {
    const wishes = [...day().wishes.values()]
    await Promise.all([
      ...wishes.filter(isUnplaced).map(place),
      ...wishes.filter(({ claim }) => claim).map((wish) => askWinner(wish).catch(postpone)),
    ])
    await tell()
  }

  const hasWork = () =>
    [...day().wishes.values()].some((wish) => isUnplaced(wish) || wish.claim || wish.untold.size > 0)

  return { make, tell, hasUntold, settle, hasWork }
}

/** A refusal here is a damaged day, or a bug. The day is told again. */
function acknowledged(answer: Answer<unknown>): void {
  if (!answer.ok) throw new Error(`Refused: ${answer.refused}`)
}
