import { vi } from 'vitest'

/** Long enough for any machine: a slow one is no failure, and a fast one does not wait. */
const PATIENCE = { timeout: 40_000, interval: 20 }

/** What comes true by itself, a little later. */
export const soon = <Result>(check: () => Result | Promise<Result>): Promise<Result> =>
  vi.waitFor(check, PATIENCE)
