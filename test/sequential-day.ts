/** A day as one clerk with a sheet of paper would keep it: the model that a recorded history is held against. */

export type Kind = 'book' | 'choose' | 'hold' | 'cancel' | 'release' | 'check_in' | 'next' | Step
export type Step = 'serve' | 'requeue' | 'uncheck_in' | 'unserve'
type State = 'booked' | 'cancelled' | 'waiting' | 'called' | 'served' | 'held' | 'released'

/** From which states a step is possible, and what it makes of them. */
const STEPS: Record<Step, { from: State[]; to: State }> = {
  serve: { from: ['called'], to: 'served' },
  requeue: { from: ['called'], to: 'waiting' },
  uncheck_in: { from: ['waiting'], to: 'booked' },
  unserve: { from: ['served'], to: 'called' },
}
const isStep = (kind: Kind): kind is Step => Object.hasOwn(STEPS, kind)

/** One request as it was seen from outside. `target` is what it names; `made` is the id its reply tells. */
export interface Op {
  kind: Kind
  target: string
  invoked: number
  responded: number
  status: number
  value: number | string | null
  made: string | null
}

export interface Answer {
  status: number
  value: number | string | null
}

export class SequentialDay {
  slots: (string | null)[]
  state = new Map<string, State>()
  line: string[] = []
  arrivals = 0

  constructor(readonly capacity: number) {
    this.slots = Array.from({ length: capacity }, () => null)
  }

  /** What this request gets now. Changes nothing. */
  answer({ kind, target }: Op): Answer {
    const stands = this.state.get(target)
    if (isStep(kind)) return { status: stands && STEPS[kind].from.includes(stands) ? 200 : 409, value: null }
    switch (kind) {
      case 'book':
      case 'hold': {
        const free = this.slots.indexOf(null)
        return free < 0 ? { status: 409, value: null } : { status: 201, value: free + 1 }
      }
      case 'choose':
        return this.slots[Number(target) - 1] === null
          ? { status: 201, value: Number(target) }
          : { status: 409, value: null }
      case 'cancel':
        return { status: stands === 'booked' ? 200 : 409, value: null }
      case 'release':
        return { status: 200, value: null }
      case 'check_in':
        return stands === 'booked' ? { status: 201, value: this.arrivals + 1 } : { status: 409, value: null }
      case 'next': {
        const next = this.line.find((id) => this.state.get(id) === 'waiting')
        return next ? { status: 200, value: next } : { status: 204, value: null }
      }
    }
  }

  apply(op: Op): void {
    const { value } = this.answer(op)
    if (op.kind === 'book' || op.kind === 'choose' || op.kind === 'hold') {
      this.slots[Number(value) - 1] = op.made
      this.state.set(op.made ?? '', op.kind === 'hold' ? 'held' : 'booked')
    }
    if (op.kind === 'cancel' || op.kind === 'release') {
      this.slots[this.slots.indexOf(op.target)] = null
      this.state.set(op.target, op.kind === 'cancel' ? 'cancelled' : 'released')
    }
    if (op.kind === 'check_in') {
      this.line.push(op.target)
      this.arrivals += 1
      this.state.set(op.target, 'waiting')
    }
    if (op.kind === 'next') this.state.set(String(value), 'called')
    if (isStep(op.kind)) this.state.set(op.target, STEPS[op.kind].to)
    if (op.kind === 'uncheck_in') this.line = this.line.filter((id) => id !== op.target)
  }
}

/**
 * Whether a history could have happened one request after the other. `order` holds the requests that changed
 * something, in the order of the day's log; every other one must fit between two of them, within the time in which
 * it was under way. Returns the first thing that cannot be, or null.
 */
export function contradiction(day: SequentialDay, order: Op[], unchanged: Op[]): string | null {
  const open = new Map(unchanged.map((op) => [op, windowOf(op, order)]))
  for (let step = 0; step <= order.length; step += 1) {
    for (const [op, [from, to]] of open) {
      if (step < from || step > to) continue
      if (isSame(day.answer(op), op)) open.delete(op)
    }
    const op = order[step]
    if (!op) break
    if (!isSame(day.answer(op), op)) return `${op.kind} ${op.target}: ${JSON.stringify(op)} at ${step}`
    if (order.slice(step + 1).some((later) => later.responded < op.invoked)) return `${op.kind} overtook`
    day.apply(op)
  }
  const [left] = open.keys()
  return left ? `nowhere: ${JSON.stringify(left)}` : null
}

/** The steps between which a request may have been decided: after all that had ended, before all that began later. */
function windowOf(op: Op, order: Op[]): [from: number, to: number] {
  const from = order.findLastIndex((other) => other.responded < op.invoked) + 1
  const later = order.findIndex((other) => other.invoked > op.responded)
  return [from, later < 0 ? order.length : later]
}

const isSame = (answer: Answer, op: Op): boolean => answer.status === op.status && answer.value === op.value
