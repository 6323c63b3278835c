import { readerPosition, setReaderPosition } from './log'

/**
 * How far a reader has come in the log of a day. The position moves in memory, because a write to storage
 * costs as much as a booking. The alarm stores it. If the memory is lost before that, the reader processes
 * the events since the stored position once more.
 */
export interface Position {
  /** The last event that the reader has processed; 0 before the first. */
  current(): number
  moveTo(seq: number): void
  /** Back to the first event, also in storage. Call it within a transaction. */
  rewind(): void
  /** Writes nothing where nothing has changed. */
  store(): void
}

export function position(sql: SqlStorage, reader: string): Position {
  let moved: number | null = null
  let stored: number | null = null

  function write(seq: number): void {
    setReaderPosition(sql, reader, seq)
    stored = seq
  }

  return {
    current() {
      moved ??= stored = readerPosition(sql, reader)
      return moved
    },
    moveTo(seq) {
      moved = seq
    },
    rewind() {
      moved = 0
      write(0)
    },
    store() {
      if (moved !== null && moved !== stored) write(moved)
    },
  }
}
