import type { Answer, Command, Operation, ReplyTo } from '../commands'
import { backoff } from '../moving/backoff'
import type { MoveHost } from '../moving/settling'
import { claims } from './claims'
import { wishHome } from './home'

/** Keeps wishes for several days together, across failures and restarts. rules/ decides each step. */
export interface Wishing {
  /** As the host’s `perform`. An accept, and a new wish, ask other days before they answer. */
  perform<C extends Command>(
    operation: Operation,
    command: C,
  ): Promise<Answer<ReplyTo<C>>> | Answer<ReplyTo<C>>
  /** Whether a day still has to answer, to decide or to be told. */
  hasWork(): boolean
  /** Repeats what other days have not answered. Never throws. */
  settle(): Promise<void>
}

export function wishing(source: MoveHost): Wishing {
  const { failures, postpone, reset } = backoff('wish_unsettled', source.name, source.wakeAt)
  const home = wishHome(source, postpone)
  const ofPlaces = claims(source, postpone)

  function performed(operation: Operation, command: Command): Promise<Answer<unknown>> | Answer<unknown> {
    if (command.type === 'accept_offer')
      return ofPlaces.accept(operation, command).finally(() => tellOthers(command))
    if (command.type === 'make_wish') return home.make(operation, command)
    const reports = source.day().reports.size
    const answer = source.perform(operation, command)
    if (source.day().reports.size > reports) source.later(ofPlaces.report())
    tellOthers(command)
    return answer
  }

  function tellOthers({ type }: Command): void {
    if (ENDING.includes(type) && home.hasUntold()) source.later(home.tell())
  }

  async function settle(): Promise<void> {
    const before = failures()
    if (!source.day().isNewer) await Promise.all([home.settle(), ofPlaces.settle()]).catch(postpone)
    if (failures() === before) reset()
  }

  return {
    perform: performed as Wishing['perform'],
    hasWork: () => home.hasWork() || ofPlaces.hasWork(),
    settle,
  }
}

/** Commands that may end a wish, so that its other days are told at once. */
const ENDING: Command['type'][] = ['accept_offer', 'stop_waiting', 'report_wish']
