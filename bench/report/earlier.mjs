/** The commit before the Recorder: each request and each day sent D1 its own batches. */
export const COMMIT = 'edbfa55'

/**
 * What one operation alone asked of D1 at that commit, as this bench counted it there: without a rush, and all
 * of it, before the answer, after it and by alarms. `isGathered`: now it goes through the Recorder.
 */
export const BEFORE = {
  book: { d1RoundTrips: 2, d1Queries: 8, d1RowsRead: 10, d1RowsWritten: 10, isGathered: true },
  'book-unkeyed': { d1RoundTrips: 2, d1Queries: 5, d1RowsRead: 5, d1RowsWritten: 7, isGathered: true },
  'book-first': { d1RoundTrips: 2, d1Queries: 8, d1RowsRead: 8, d1RowsWritten: 11, isGathered: true },
  'book-full': { d1RoundTrips: 1, d1Queries: 3, d1RowsRead: 3, d1RowsWritten: 0, isGathered: true },
  replay: { d1RoundTrips: 0, d1Queries: 0, d1RowsRead: 0, d1RowsWritten: 0 },
  'check-in': { d1RoundTrips: 1, d1Queries: 3, d1RowsRead: 4, d1RowsWritten: 9, isGathered: true },
  'check-in-keyed': { d1RoundTrips: 2, d1Queries: 6, d1RowsRead: 7, d1RowsWritten: 12, isGathered: true },
  'call-next': { d1RoundTrips: 3, d1Queries: 5, d1RowsRead: 8, d1RowsWritten: 3, isGathered: true },
  'call-next-keyed': { d1RoundTrips: 3, d1Queries: 8, d1RowsRead: 12, d1RowsWritten: 6, isGathered: true },
  'step-keyed': { d1RoundTrips: 2, d1Queries: 6, d1RowsRead: 8, d1RowsWritten: 11, isGathered: true },
  cancel: { d1RoundTrips: 1, d1Queries: 2, d1RowsRead: 3, d1RowsWritten: 6, isGathered: true },
  'cancel-keyed': { d1RoundTrips: 2, d1Queries: 5, d1RowsRead: 6, d1RowsWritten: 9, isGathered: true },
  get: { d1RoundTrips: 0, d1Queries: 0, d1RowsRead: 0, d1RowsWritten: 0 },
  'list-day': { d1RoundTrips: 1, d1Queries: 2, d1RowsRead: 2, d1RowsWritten: 0 },
  'post-test': { d1RoundTrips: 1, d1Queries: 2, d1RowsRead: 8, d1RowsWritten: 7, isGathered: true },
  'post-test-keyed': { d1RoundTrips: 1, d1Queries: 5, d1RowsRead: 12, d1RowsWritten: 10, isGathered: true },
  'list-tests': { d1RoundTrips: 1, d1Queries: 1, d1RowsRead: 2000, d1RowsWritten: 0 },
  webhook: { d1RoundTrips: 1, d1Queries: 3, d1RowsRead: 13, d1RowsWritten: 9, isGathered: true },
  'webhook-keyed': { d1RoundTrips: 1, d1Queries: 6, d1RowsRead: 17, d1RowsWritten: 12, isGathered: true },
}

/** How many calls of bindings an operation waits for, one after another, where each of them has a key. */
export const DEPTH_AT_MOST = {
  book: 2,
  'call-next-keyed': 2,
  'check-in-keyed': 2,
  'step-keyed': 2,
  'cancel-keyed': 2,
  'post-test-keyed': 1,
  'webhook-keyed': 1,
  reschedule: 4,
  'absence-5': 5,
  'absence-30': 5,
}

/** The same, as this bench measured it at that commit. */
export const DEPTH_BEFORE = {
  book: 3,
  'call-next-keyed': 3,
  'check-in-keyed': 3,
  'step-keyed': 3,
  'cancel-keyed': 3,
  'post-test-keyed': 2,
  'webhook-keyed': 2,
  reschedule: 6,
}
