import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'

const refuseAll = (request: Request) => {
  throw new Error(`A test called the outside world: ${new URL(request.url).host}`)
}

export default defineConfig(async () => ({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: { outboundService: refuseAll as never },
    }),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // Long enough that a slow machine fails no test.
    testTimeout: 30_000,
    setupFiles: ['test/migrate.ts'],
    silent: 'passed-only' as const,
    provide: { migrations: await readD1Migrations('migrations') },
  },
}))
