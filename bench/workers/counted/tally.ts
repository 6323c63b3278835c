/** What Cloudflare bills, and the round trips that a caller waits for. */
export interface Counts {
  d1RoundTrips: number
  d1Queries: number
  d1RowsRead: number
  d1RowsWritten: number
  objectRequests: number
  objectRowsRead: number
  objectRowsWritten: number
  kvReads: number
  kvWrites: number
  queueOperations: number
}
export type Count = keyof Counts

/** Whether the caller waits for it, or it follows the answer, or an alarm does it later. */
export type When = 'before' | 'after' | 'alarm'

const NOTHING: Counts = {
  d1RoundTrips: 0,
  d1Queries: 0,
  d1RowsRead: 0,
  d1RowsWritten: 0,
  objectRequests: 0,
  objectRowsRead: 0,
  objectRowsWritten: 0,
  kvReads: 0,
  kvWrites: 0,
  queueOperations: 0,
}

/**
 * The Worker and its objects run in one isolate here and share this. One request is under way at a time, so
 * what happens between its start and its answer is its own.
 */
const state = { label: '', isAnswered: true, pending: 0 }
const tallies = new Map<string, Record<When, Counts>>()

/** From here on everything counts for this operation. */
export function begin(label: string): void {
  state.label = label
  tallies.set(label, { before: { ...NOTHING }, after: { ...NOTHING }, alarm: { ...NOTHING } })
}

export const current = (): string => state.label

export const told = () => ({ pending: state.pending, tallies: Object.fromEntries(tallies) })

export function add(label: string, when: When, count: Count, amount = 1): void {
  const tally = tallies.get(label)
  if (tally) tally[when][count] += amount
}

/** Whether the caller waits for what the Worker begins now. */
export const whenBegun = (): When => (state.isAnswered ? 'after' : 'before')

export async function answering<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
  state.isAnswered = false
  try {
    return await answer()
  } finally {
    state.isAnswered = true
  }
}

/** As long as something is pending, what an operation costs is not known. */
export async function awaited<Result>(work: () => Promise<Result>): Promise<Result> {
  state.pending += 1
  try {
    return await work()
  } finally {
    state.pending -= 1
  }
}
