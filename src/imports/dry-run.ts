import { sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import { newId } from '../lib/id'
import type { Fault } from '../problem'
import { discard, receiving } from './arrival'
import type { Kind } from './kind'
import { stagedRows } from './model'
import { standsEarlier } from './staged'
import { stage } from './staging'

/** Of a trial run, which is there to be read by people. */
const FAULTS_TOLD = 1_000

interface Forecast {
  create: number
  duplicate: number
  invalid: number
  total: number
  faults: Fault[]
}

/**
 * What an import of the file would do if it ran now, and nothing is kept: the rows are staged under an id
 * that never becomes a job, and go again, at the latest by the hand of the object that watches every upload.
 */
export function forecast(ctx: Ctx, kind: Kind, file: AsyncIterable<Uint8Array>): Promise<Forecast> {
  const uploadId = newId()
  return receiving(ctx, uploadId, async () => {
    const { rows, invalid, faults } = await stage(ctx, kind, uploadId, file, { keepsBad: true })
    const [counted] = await ctx.db
      .select({ duplicate: sql<number>`count(*)` })
      .from(stagedRows)
      .where(
        sql`job_id = ${uploadId} AND status IS NULL
          AND (${standsEarlier('staged_rows')} OR ${kind.isKnown(ctx.clinic.id)})`,
      )
    await discard(ctx, uploadId)
    const duplicate = counted?.duplicate ?? 0
    const told = faults.slice(0, FAULTS_TOLD)
    return { create: rows - invalid - duplicate, duplicate, invalid, total: rows, faults: told }
  })
}
