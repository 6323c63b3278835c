/** The commit before the Recorder: each request and each day sent D1 its own batches. */
export const COMMIT = 'edbfa55'

/**
 * What one operation alone asked of D1 at that commit, as this bench counted it there: without a rush, and all
 * of it, before the answer, after it and by alarms. `isGathered`: now it goes through the Recorder.
 */
export const BEFORE = {}

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
export const DEPTH_BEFORE = {}
