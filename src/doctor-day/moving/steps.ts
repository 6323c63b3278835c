import type { Answer, Command, Refused, ReplyTo } from '../commands'
import type { Guard } from '../guard'
import type { Operations } from '../operations'
import { refuse } from '../rules/facts'
import type { Step } from './requests'

/** A day performs this many steps in one go; then callers who wait get their turn. */
const STEPS_IN_A_ROW = 50

type Reply = Answer<ReplyTo<Command>>

/** Performs one step after the other; of each list, the next one only where the day is full. */
export async function performEach(
  attempts: Step[][],
  guard: Guard,
  { perform }: Operations,
): Promise<Reply[][] | Refused> {
  const first = attempts[0]?.[0]
  if (first && (await guard.check(first.operation, first.command))) return refuse('day_damaged')
  const answers: Reply[][] = []
  for (const attempt of attempts) {
    if (answers.length > 0 && answers.length % STEPS_IN_A_ROW === 0) await scheduler.wait(0)
    answers.push(untilRoom(attempt, (step) => guard.use(() => perform(step.operation, step.command))))
  }
  return answers
}

function untilRoom(attempt: Step[], perform: (step: Step) => Reply): Reply[] {
  const answers: Reply[] = []
  for (const step of attempt) {
    const answer = perform(step)
    answers.push(answer)
    if (answer.ok || answer.refused !== 'day_full') break
  }
  return answers
}
