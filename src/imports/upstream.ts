import type { UpstreamReply } from '../upstream/call'

/** A row as it is sent. The key is the same on every try, so that tries make one record. */
interface SentRow {
  key: string
  batchId: string
  cells: string
}

/** Another system that holds the records of a kind. Ours are a copy then. */
export interface Upstream {
  /** Names the gate that all calls pass. */
  gate: string
  create(row: SentRow): Promise<UpstreamReply<{ id: string }>>
  activate(batchId: string, timeoutMs?: number): Promise<UpstreamReply<unknown>>
}
