import { newId } from '../../lib/crypto'
import type { Answer, CommandOf, Operation, Replies } from '../commands'
import { keyOf, operationOf } from '../moving/ending'
import type { MoveHost } from '../moving/settling'
import { refuse } from '../rules/facts'
import type { Appointment, Waiting } from '../state/day'
import { aliasesOf } from '../state/person'
import { NEW_ID } from '../storage/address'
import type { ClaimVerdict } from '../wish-commands'

/** The actor of the steps that no caller is waiting for. */
const CLOCK = 'clock'

/** The home has lost the record of the wish, so nobody can say that it is still open. */
const UNKNOWN_WISH: ClaimVerdict = { isWon: false, won: null, isOver: true }

/** How a day with a place of a wish asks the home, and tells it what became of the place. */
export function claims(source: MoveHost, postpone: (error: unknown) => void) {
  const { day, perform, others, check, later } = source

  async function accept(
    operation: Operation,
    command: CommandOf<'accept_offer'>,
  ): Promise<Answer<Appointment>> {
    const { waitId, clinicId } = command
    const earlier = day().waitlist.get(waitId)?.claim
    if (earlier && earlier.opId !== operation.id) await decide(waitId)
    const waiting = day().waitlist.get(waitId)
    if (!waiting?.of || day().wishes.has(waiting.of.id)) return toAnswer(perform(operation, command))
    if (waiting.claim && waiting.claim.opId !== operation.id) return refuse('wish_undecided')
    // Each try is a claim with its own id: one that was given back wins nothing any more.
    const claim = { claimId: newId(), opId: operation.id, ...aliasesOf(command) }
    const { off } = command
    const begin = { type: 'begin_claim', clinicId, waitId, ...claim, ...(off && { off }) } as const
    const begun = perform(operation, begin)
    return begun.ok && begun.reply.state === 'claiming' ? decide(waitId) : toAnswer(begun)
  }

  /**
   * Asks the home, and ends the claim as the home says. The end is the reply to the request that began the
   * claim, so that its retry gets it, even where the alarm has asked.
   */
  async function decide(waitId: string): Promise<Answer<Appointment>> {
    const { claim, of } = day().waitlist.get(waitId) ?? {}
    const { identity } = day()
    if (!claim || !of || !identity) return refuse('wish_undecided')
    const { clinicId, date } = identity
    const own = { id: claim.opId, actor: claim.actor, isKeyed: true }
    if (await check(own, { type: 'accept_offer' })) return refuse('day_damaged')
    const asking = { type: 'claim_wish', clinicId, wishId: of.id, claimId: claim.id, date } as const
    const verdict = await others
      .perform(keyOf({ ...identity, date: of.home }), operationOf(claim.id, asking.type, claim.actor), asking)
      .then(verdictOf)
      .catch((error: unknown) => {
        postpone(error)
        return null
      })
    if (!verdict) return refuse('wish_undecided')
    const end = { type: 'end_claim', clinicId, waitId, claimId: claim.id, verdict } as const
    const ended = perform(own, { ...end, appointmentId: NEW_ID })
    later(report())
    return toAnswer(ended)
  }

  /** Tells the homes what became of claims and places, until each has acknowledged it. Never throws. */
  async function report(): Promise<void> {
    const { identity, reports } = day()
    if (!identity) return
    const { clinicId, date } = identity
    const telling = [...reports.values()].map(async (one) => {
      const { id, wishId, home } = one
      const told = await others.perform(
        keyOf({ ...identity, date: home }),
        operationOf(id, 'report_wish', CLOCK),
        { type: 'report_wish', clinicId, wishId, date, report: one },
      )
      if (!told.ok) throw new Error(`Refused: ${told.refused}`)
      perform(operationOf(id, 'settle_report', CLOCK), { type: 'settle_report', clinicId, id })
    })
    await Promise.all(telling.map((one) => one.catch(postpone)))
  }

  const underWay = (): Waiting[] => [...day().waitlist.values()].filter(({ claim }) => claim)

  async function settle(): Promise<void> {
    await Promise.all(underWay().map(({ id }) => decide(id).catch(postpone)))
    await report()
  }

  const hasWork = () => day().reports.size > 0 || underWay().length > 0

  return { accept, report, settle, hasWork }
}

/** Whatever may pass leaves the claim undecided. */
function verdictOf(answer: Answer<ClaimVerdict>): ClaimVerdict {
  if (answer.ok) return answer.reply
  if (answer.refused === 'not_found') return UNKNOWN_WISH
  throw new Error(`Refused: ${answer.refused}`)
}

/** The reply that the day remembers of an accept is an appointment, or that of a claim. */
function toAnswer(answer: Answer<Appointment | Replies['end_claim']>): Answer<Appointment> {
  if (!answer.ok) return answer
  const { reply, day } = answer
  if (!('state' in reply)) return { ok: true, reply, ...(day && { day }) }
  if (reply.state === 'booked') return { ok: true, reply: reply.appointment, ...(day && { day }) }
  if (reply.state === 'claiming') return refuse('wish_undecided')
  const { refused, won } = reply
  return { ok: false, refused, ...(won !== undefined && { won }) }
}
