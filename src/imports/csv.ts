import { rearm } from '../http/lists/csv-text'
import type { Fault } from '../problem'
import { type FileNotes, type Header, readHeader } from './file/header'
import { type Column, DISGUISE_BYTES, disguiseOf, type FileRow, type Separator } from './file/opening'
import {
  type FatalFault,
  openFile,
  ROW_CHARACTERS_MAX_USUAL,
  rowBytesMax,
  tooLong,
  utf8Decoder,
} from './file/parser'

/** Bytes that are parsed at a time, so that few parsed records wait in memory for the reader. */
const PIECE_BYTES = 64 * 1024

/** A larger number could not be repaired. A file with so many rows has empty ones nearly everywhere. */
export const ROW_NUMBER_MAX = 9_999_999

/**
 * Reads CSV (RFC 4180, UTF-8 with or without BOM) as it arrives, and tells its separator and columns to
 * `onNotes`. `row` counts records; the header is row 1. A record is one row even if a quoted line break
 * spreads it over several lines. Lines without text are no rows; a row of empty cells only counts in the
 * numbers and is left out. Reading ends at a missing column or a broken quote. Faults never repeat the
 * content of a cell. Cells of a file that this service has written are as they were before.
 */
export async function* readCsv<Name extends string>(
  bytes: AsyncIterable<Uint8Array>,
  columns: readonly Column<Name>[],
  onNotes: (notes: FileNotes) => void = () => {},
  charactersMax = ROW_CHARACTERS_MAX_USUAL,
): AsyncGenerator<FileRow<Name, string>> {
  let header: Header<Name> | undefined
  let [row, rows] = [0, 0]
  for await (const { record, fault, separator } of records(bytes, columns, charactersMax)) {
    if (fault) {
      const where = { row: row + 1, field: 'file', rule: fault.rule }
      yield { row: row + 1, fault: { ...where, message: `Row ${row + 1}: ${fault.sentence}` } }
      return
    }
    const isEmpty = record.every((cell) => cell.trim() === '')
    if (isEmpty && !header) continue
    row += 1
    if (isEmpty) continue
    if (header) {
      rows += 1
      yield row > ROW_NUMBER_MAX ? tooManyRows() : rowOf(row, record, header)
      if (row > ROW_NUMBER_MAX) return
      continue
    }
    header = readHeader(record, columns, separator)
    for (const fault of header.faults) yield { row, fault }
    if (header.faults.length > 0) return
    onNotes(header.notes)
  }
  if (rows === 0) yield { row: row + 1, fault: emptyFile(row) }
}

/** A row may end early: its other cells are empty. More cells than columns may be a comma without quotes. */
function rowOf<Name extends string>(
  row: number,
  record: string[],
  header: Header<Name>,
): FileRow<Name, string> {
  const cells = Object.fromEntries(
    header.places.map(({ name, place }) => {
      const cell = record[place] ?? ''
      return [name, header.isOurs ? rearm(cell) : cell]
    }),
  ) as Record<Name, string>
  if (record.length > header.width) {
    const message = `Row ${row}: ${record.length} values for ${header.width} columns`
    return { row, cells, fault: { row, field: 'file', rule: 'columns', message } }
  }
  return { row, cells }
}

export function tooManyRows(): { row: number; fault: Fault } {
  const message = `The file may have at most ${ROW_NUMBER_MAX} rows, with the empty ones`
  return { row: ROW_NUMBER_MAX, fault: { field: 'file', rule: 'rows', message } }
}

export function emptyFile(rows: number): Fault {
  const message = rows === 0 ? 'The file is empty' : 'The file has a header and no rows'
  return { field: 'file', rule: 'empty', message }
}

/** A record of a file, or the fault that ends it; both come with the separator of the file. */
type Read =
  | { record: string[]; separator: Separator; fault?: undefined }
  | { record?: undefined; separator: Separator; fault: FatalFault }

/** Bytes → records. Yields every record that was parsed before a fault, then the fault. */
async function* records(
  bytes: AsyncIterable<Uint8Array>,
  columns: readonly Column<string>[],
  charactersMax: number,
): AsyncGenerator<Read> {
  const parsed: string[][] = []
  const file = openFile(columns, charactersMax, (record) => {
    if (record.length > 1 || record[0]?.trim()) parsed.push(record)
  })
  const taken = () => parsed.splice(0).map((record) => ({ record, separator: file.separator() }))
  const failed = (fault: FatalFault): Read => ({ fault, separator: file.separator() })
  const decode = utf8Decoder()
  let [start, unfinishedBytes, finishedBefore] = [new Uint8Array(), 0, 0]
  for await (const piece of pieces(bytes)) {
    if (start.byteLength < DISGUISE_BYTES) start = Buffer.concat([start, piece.subarray(0, DISGUISE_BYTES)])
    const disguise = disguiseOf(start)
    if (disguise) return yield failed({ rule: 'csv', sentence: disguise })
    const { text, isValid } = decode(piece)
    const fault = (await file.push(text)) ?? (isValid ? null : await file.endAtBadBytes())
    yield* taken()
    if (fault) return yield failed(fault)
    const finished = file.finished()
    unfinishedBytes = finished === finishedBefore ? unfinishedBytes + piece.byteLength : 0
    finishedBefore = finished
    if (unfinishedBytes > rowBytesMax(charactersMax)) return yield failed(tooLong(charactersMax))
  }
  const fault = await (decode().isValid ? file.end() : file.endAtBadBytes())
  yield* taken()
  if (fault) yield failed(fault)
}

async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes)
    for (let from = 0; from < chunk.byteLength; from += PIECE_BYTES)
      yield chunk.subarray(from, from + PIECE_BYTES)
}
