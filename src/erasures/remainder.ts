import { and, eq, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { Refusal } from '../doctor-day/refused'
import { eraseEvents, eraseFileOfTests, eraseTests } from './called'
import { eraseSomeDays } from './days'
import { blank } from './in-place'
import { type Done, type ErasureRow, erasures, FIRST, PHASES, type Phase, type Progress } from './model'
import { selectErasure } from './records'

/** What is left to erase once the record is gone: in steps, of which each says how far it has come. */

const STEPS: Record<Phase, (ctx: Ctx, row: ErasureRow) => Promise<Done | { refused: Refusal }>> = {
  days: eraseSomeDays,
  tests: eraseTests,
  events: eraseEvents,
  files: eraseFileOfTests,
}

/** Goes on from where the erasure has come to, until then. `why`: a day refused; the erasure waits for it. */
export async function eraseRemainder(
  ctx: Ctx,
  begun: ErasureRow,
  until: number,
): Promise<{ row: ErasureRow; why?: Refusal }> {
  let row = begun
  while (row.state === 'erasing' && Date.now() < until) {
    const [phase] = row.doneUntil ?? FIRST
    const step = await STEPS[phase](ctx, row)
    if ('refused' in step) return { row, why: step.refused }
    row = await advance(ctx, row, step.sums, step.until ?? startOfNext(phase))
  }
  return { row }
}

/** Null after the last phase. */
function startOfNext(phase: Phase): Progress | null {
  const next = PHASES[PHASES.indexOf(phase) + 1]
  return next ? [next] : null
}

/** Two requests of one erasure may work at once: the first to come this far counts. */
async function advance(ctx: Ctx, row: ErasureRow, sums: Done['sums'], until: Progress | null) {
  const { texts = 0, cancelled = 0, tests = 0, events = 0, stagedRows = 0 } = sums
  const [, [now]] = await ctx.db.batch([
    ctx.db
      .update(erasures)
      .set({
        texts: sql`texts + ${texts}`,
        cancelled: sql`cancelled + ${cancelled}`,
        tests: sql`tests + ${tests}`,
        events: sql`events + ${events}`,
        stagedRows: sql`staged_rows + ${stagedRows}`,
        ...(until
          ? { doneUntil: until }
          : { state: 'erased', calledBy: sql.raw(blank('called_by', '[', ']')) }),
      })
      .where(
        and(
          eq(erasures.clinicId, ctx.clinic.id),
          eq(erasures.patientId, row.patientId),
          eq(erasures.state, 'erasing'),
          sql`done_until IS ${row.doneUntil ? JSON.stringify(row.doneUntil) : null}`,
        ),
      ),
    selectErasure(ctx, row.patientId),
  ])
  return now ?? row
}
