import type { BatchItem } from 'drizzle-orm/batch'
import type { DrizzleD1Database } from 'drizzle-orm/d1'

export type Db = DrizzleD1Database

/** What `db.batch` takes: all of them in one transaction and one round trip. */
export type Statement = BatchItem<'sqlite'>
