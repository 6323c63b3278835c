import { applyD1Migrations, reset } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, inject, vi } from 'vitest'

// One runtime runs many files, because loading the Worker takes longer than most of them. Each begins with empty
// storage, and nothing of the file before is left: no object whose alarm would ring, no clock, no spy.
await applyD1Migrations(env.DB, inject('migrations'))

afterAll(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await reset()
})
