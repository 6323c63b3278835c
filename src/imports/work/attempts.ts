import { sql } from 'drizzle-orm'
import type { Db } from '../../lib/db'
import { logFailure } from '../../lib/log'
import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import { importChunks } from '../model'
import type { Chunk } from './chunk'

/**
 * How failed attempts are counted. Each claim of a chunk counts as an attempt at once, because a consumer
 * that dies cannot report it. An attempt that an outage ended is taken back: otherwise five outages would
 * fail the job. If D1 cannot be reached for that either, the job's object remembers the claim.
 */

const REMEMBER_TRIES_MAX = 3
const REMEMBER_PAUSE_MS = SECOND_MS / 5

/** Shorter than the lease of a chunk, which the caller holds meanwhile. */
const OBJECT_MS_MAX = 2 * SECOND_MS

type Claim = Pick<Chunk, 'jobId' | 'chunk'> & { lease: string }

/** Takes back the attempt and releases the chunk. The claim may have reached D1 or not. Never throws. */
export async function takeBack(db: Db, env: Env, claim: Claim): Promise<void> {
  try {
    await uncount(db, claim, [claim.lease])
  } catch (error) {
    logFailure('import.release', error, { job: claim.jobId, chunk: claim.chunk })
    await remember(env, claim)
  }
}

async function remember(env: Env, { jobId, chunk, lease }: Claim): Promise<void> {
  for (let attempt = 1; attempt <= REMEMBER_TRIES_MAX; attempt += 1) {
    try {
      return await withTimeout(env.BULK_JOB.getByName(jobId).rememberOutage(lease), OBJECT_MS_MAX)
    } catch (error) {
      logFailure('import.outage_forgotten', error, { job: jobId, chunk, attempt })
      await scheduler.wait(REMEMBER_PAUSE_MS * attempt)
    }
  }
}

/** The chunk without the attempts that an outage ended. A first attempt asks the job's object nothing. */
export async function recounted(db: Db, env: Env, chunk: Chunk): Promise<Chunk> {
  if (chunk.attempts <= 1) return chunk
  const outages = await withTimeout(env.BULK_JOB.getByName(chunk.jobId).outages(), OBJECT_MS_MAX)
  const [left] = outages.length === 0 ? [] : await uncount(db, chunk, outages)
  return { ...chunk, ...left }
}

/** Does nothing for a claim that does not count: it never reached D1, or it was taken back before. */
function uncount(db: Db, { jobId, chunk }: Pick<Chunk, 'jobId' | 'chunk'>, leases: string[]) {
  const taken = sql`(SELECT value FROM json_each(${JSON.stringify(leases)}))`
  return db
    .update(importChunks)
    .set({
      attempts: sql`max(0, attempts - (SELECT count(*) FROM json_each(claims) WHERE value IN ${taken}))`,
      claims: sql`(SELECT json_group_array(value) FROM json_each(claims) WHERE value NOT IN ${taken})`,
      leaseUntil: sql`iif(lease IN ${taken}, 0, lease_until)`,
    })
    .where(
      sql`job_id = ${jobId} AND chunk = ${chunk} AND (lease IN ${taken}
        OR EXISTS (SELECT 1 FROM json_each(claims) WHERE value IN ${taken}))`,
    )
    .returning({ attempts: importChunks.attempts })
}
