/** What Cloudflare bills, D1 round trips, and the time that calls of the Recorder wait behind a lot. */
export interface Counts {
  d1RoundTrips: number
  d1Queries: number
  d1RowsRead: number
  d1RowsWritten: number
  /** Calls of all objects but the Recorder. */
  objectRequests: number
  recorderRequests: number
  objectRowsRead: number
  objectRowsWritten: number
  kvReads: number
  kvWrites: number
  queueOperations: number
  behindLotMs: number
}
export type Count = keyof Counts

/** Whether work delays the answer, follows it, or belongs to a later alarm. */
export type When = 'before' | 'after' | 'alarm'

const NOTHING: Counts = {
  d1RoundTrips: 0,
  d1Queries: 0,
  d1RowsRead: 0,
  d1RowsWritten: 0,
  objectRequests: 0,
  recorderRequests: 0,
  objectRowsRead: 0,
  objectRowsWritten: 0,
  kvReads: 0,
  kvWrites: 0,
  queueOperations: 0,
  behindLotMs: 0,
}

/**
 * The Worker and its objects run in one isolate here and share this state. Requests in flight at the same
 * time are of one operation, so all work between its start and its last answer belongs to it.
 */
const state = { label: '', answering: 0, pending: 0 }
const tallies = new Map<string, Record<When, Counts>>()

/** From now on all work counts for this operation. */
export function begin(label: string): void {
  state.label = label
  tallies.set(label, { before: { ...NOTHING }, after: { ...NOTHING }, alarm: { ...NOTHING } })
}

export const current = (): string => state.label

export const snapshot = () => ({ pending: state.pending, tallies: Object.fromEntries(tallies) })

export function add(label: string, when: When, count: Count, amount = 1): void {
  const tally = tallies.get(label)
  if (tally) tally[when][count] += amount
}

/** Whether work that the Worker begins now delays the answer. */
export const whenBegun = (): When => (state.answering > 0 ? 'before' : 'after')

export async function answering<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
  state.answering += 1
  try {
    return await answer()
  } finally {
    state.answering -= 1
  }
}

/** Counts pending work: until it is over, the cost of an operation is not known. */
export async function awaited<Result>(work: () => Promise<Result>): Promise<Result> {
  state.pending += 1
  try {
    return await work()
  } finally {
    state.pending -= 1
  }
}
