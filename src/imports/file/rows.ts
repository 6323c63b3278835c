import { readCsv } from '../csv'
import type { FileNotes } from './header'
import { readNdjson } from './ndjson'
import type { Column, FileRow } from './opening'
import { ROW_CHARACTERS_MAX_USUAL } from './parser'

export type Format = 'csv' | 'ndjson'

/** A file as it arrives. Its name may tell the format, and is known only after the first bytes. */
export interface ArrivingFile {
  bytes: AsyncIterable<Uint8Array>
  format(): Format
}

/** What the rows of a file may be. */
export interface FileShape<Name extends string = string> {
  columns: readonly Column<Name>[]
  /** The characters of a row, if it may be longer than those of most kinds. */
  rowCharactersMax?: number
}

/** The rows of a file in either format. `onNotes` is told of its columns after the last row at the latest. */
export async function* readRows<Name extends string>(
  file: ArrivingFile,
  { columns, rowCharactersMax = ROW_CHARACTERS_MAX_USUAL }: FileShape<Name>,
  onNotes: (notes: FileNotes) => void,
): AsyncGenerator<FileRow<Name>> {
  const arriving = file.bytes[Symbol.asyncIterator]()
  async function* bytes(first: IteratorResult<Uint8Array>) {
    for (let next = first; !next.done; next = await arriving.next()) yield next.value
  }
  try {
    const begun = bytes(await arriving.next())
    const read = file.format() === 'ndjson' ? readNdjson<Name> : readCsv<Name>
    yield* read(begun, columns, onNotes, rowCharactersMax)
  } finally {
    // A reader that stops early must end the file too: only then is the rest of the body read.
    await arriving.return?.()
  }
}
