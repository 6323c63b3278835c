import * as v from 'valibot'

/** Rows per chunk: one statement's work, and a job of the largest usual file is one batch of messages. */
export const CHUNK_ROWS = 1_000

/** What sendBatch takes at once. */
export const MESSAGES_MAX = 100

/** Wakes a consumer. It is a hint: what there is to do stands in import_chunks. */
export const ChunkMessage = v.object({ job_id: v.string(), chunk: v.number() })
export type ChunkMessage = v.InferOutput<typeof ChunkMessage>

/** Sends at most MESSAGES_MAX at a time, the first batch first. */
export async function sendChunks(
  env: Env,
  jobId: string,
  chunks: readonly number[],
  delaySeconds = 0,
): Promise<void> {
  for (let from = 0; from < chunks.length; from += MESSAGES_MAX) {
    const some = chunks.slice(from, from + MESSAGES_MAX)
    await env.IMPORT_CHUNKS.sendBatch(
      some.map((chunk) => ({ body: { job_id: jobId, chunk } })),
      { delaySeconds },
    )
  }
}
