import type { D1Migration } from '@cloudflare/vitest-pool-workers'

declare module 'vitest' {
  interface ProvidedContext {
    migrations: D1Migration[]
    isFull: boolean
  }
}
