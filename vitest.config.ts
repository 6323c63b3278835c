import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { isFull } from './scripts/rounds.mjs'

const refuseAll = (request: Request) => {
  throw new Error(`A test called the outside world: ${new URL(request.url).host}`)
}

/** Rules need no binding and no workerd: what is named so runs in Node, which starts at once. */
const PURE = 'test/**/*.pure.test.ts'

const BUNDLED = [
  'drizzle-orm',
  'drizzle-orm/d1',
  'drizzle-orm/sqlite-core',
  'hono',
  'hono/factory',
  'hono/route',
  'libphonenumber-js/min',
  'valibot',
  'uuid',
  'cockatiel',
  'csv-stringify/sync',
  'ical-generator',
  'temporal-polyfill',
  '@cfworker/json-schema',
]

export default defineConfig(async () => ({
  test: {
    // Long enough that a slow machine fails no test.
    testTimeout: 60_000,
    silent: 'passed-only' as const,
    // More than there are cores: many tests wait, for alarms and pauses.
    maxWorkers: 3,
    provide: { isFull },
    projects: [
      {
        extends: true as const,
        test: { name: 'pure', include: [PURE], isolate: false },
      },
      {
        extends: true as const,
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: { DOCTORDAY_SECRET: 'the-secret-of-a-deployment-in-tests' },
              outboundService: refuseAll as never,
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.test.ts'],
          exclude: [PURE],
          // test/storage.ts empties the storage between files.
          isolate: false,
          setupFiles: ['test/storage.ts'],
          deps: { optimizer: { ssr: { enabled: true, include: BUNDLED } } },
          provide: { migrations: await readD1Migrations('migrations'), isFull },
        },
      },
    ],
  },
}))
