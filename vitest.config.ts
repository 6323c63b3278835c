import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'

const refuseAll = (request: Request) => {
  throw new Error(`A test reached for the outside world: ${new URL(request.url).host}`)
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
    // A slow machine is no failure.
    testTimeout: 30_000,
    setupFiles: ['test/migrate.ts'],
    silent: 'passed-only' as const,
    provide: { migrations: await readD1Migrations('migrations') },
  },
}))
