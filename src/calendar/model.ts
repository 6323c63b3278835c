import { integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { component, text } from '../lib/schema'
import { iso } from '../lib/time'

/** The calendar feeds of doctors, one each. `tokenHash` is SHA-256 of the token that its url has. */
export const doctorFeeds = sqliteTable('doctor_feeds', {
  doctorId: textColumn('doctor_id').primaryKey(),
  clinicId: textColumn('clinic_id').notNull(),
  tokenHash: textColumn('token_hash').notNull(),
  createdAt: integer('created_at').notNull(),
  opId: textColumn('op_id').notNull(),
})

/** The last part of the path, `<id>.ics`: the id. */
export const VisitPath = v.object({
  id_ics: v.pipe(
    v.string(),
    v.transform((file) => file.replace(/\.ics$/, '')),
  ),
})
export const FeedPath = v.object({ id: text(100) })

/** Longer than any token is. */
const TOKEN_CHARACTERS_MAX = 200
export const AskFeed = v.object({
  token: v.optional(v.pipe(v.string(), v.maxLength(TOKEN_CHARACTERS_MAX, 'must be the token of a feed'))),
})

/** `url` is a path, with the token: whoever has it reads the feed. It is shown in this reply only. */
export const Feed = component('Feed', {
  doctor_id: v.string(),
  url: v.string(),
  token: v.string(),
  created_at: v.string(),
})
export type Feed = v.InferOutput<typeof Feed>

export const toFeed = (doctorId: string, token: string, createdAt: number): Feed => ({
  doctor_id: doctorId,
  url: `/api/v1/doctors/${encodeURIComponent(doctorId)}/feed.ics?${new URLSearchParams({ token })}`,
  token,
  created_at: iso(createdAt),
})

export const ClosedFeed = component('ClosedFeed', { doctor_id: v.string(), closed: v.literal(true) })
export type ClosedFeed = v.InferOutput<typeof ClosedFeed>
