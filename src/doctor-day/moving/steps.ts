import type { Answer, Command, ReplyTo } from '../commands'
import type { Guard } from '../guard'
import type { Operations } from '../operations'
import type { Refused } from '../refused'
import { refuse } from '../rules/facts'
import type { Step } from './requests'

/** A day performs this many steps in one go; then callers who wait get their turn. */
const STEPS_IN_A_ROW = 50

/** Performs one step after the other, each as an operation of its own. All of them are of one kind. */
export async function performEach(
  steps: Step[],
  guard: Guard,
  { perform }: Operations,
): Promise<Answer<ReplyTo<Command>>[] | Refused> {
  const [first] = steps
  if (first && (await guard.check(first.operation, first.command))) return refuse('day_damaged')
  const answers: Answer<ReplyTo<Command>>[] = []
  for (const { operation, command } of steps) {
    if (answers.length > 0 && answers.length % STEPS_IN_A_ROW === 0) await scheduler.wait(0)
    answers.push(guard.use(() => perform(operation, command)))
  }
  return answers
}
