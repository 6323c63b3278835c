import { type CsvError, type Parser, parse } from 'csv-parse'
import type { Fault } from '../problem'

/** A longer record is not a row but a quote that was never closed. */
const RECORD_CHARACTERS_MAX = 64 * 1024

/** Bytes of the file per record. This limits empty columns too, which add no characters to a record. */
const RECORD_BYTES_MAX = 4 * RECORD_CHARACTERS_MAX

/** Bytes that are parsed at a time, so that few parsed records wait in memory for the reader. */
const PIECE_BYTES = 64 * 1024

const FILE_COLUMNS_MAX = 256

/**
 * All line ends are listed: a parser that detects the line end from the first line reads a file with mixed
 * line ends as one record.
 */
const DIALECT = {
  record_delimiter: ['\r\n', '\n', '\r'],
  relax_column_count: true,
  skip_empty_lines: true,
  max_record_size: RECORD_CHARACTERS_MAX,
}

export interface Column<Name extends string> {
  name: Name
  isRequired: boolean
}

/**
 * One record by column name, or its fault. `row` counts records; the header is row 1. A fault with cells is
 * about that row only; a fault without cells is about the whole file.
 */
type Row<Name extends string> =
  | { row: number; cells: Record<Name, string>; fault?: undefined }
  | { row: number; cells?: Record<Name, string>; fault: Fault }

/** A fault that ends the reading, because nothing after it can be trusted. */
interface CsvFault {
  rule: string
  sentence: string
}

/**
 * Reads CSV (RFC 4180, comma, UTF-8 with or without BOM) as it arrives. A record is one row even if a quoted
 * line break spreads it over several lines; lines without text are no rows. Reading ends at a missing column
 * or a broken quote. Faults never repeat the content of a cell.
 */
export async function* readCsv<Name extends string>(
  bytes: AsyncIterable<Uint8Array>,
  columns: readonly Column<Name>[],
): AsyncGenerator<Row<Name>> {
  let header: Header<Name> | undefined
  let row = 0
  for await (const record of records(bytes)) {
    if (!Array.isArray(record)) {
      const where = { row: row + 1, field: 'file', rule: record.rule }
      yield { row: row + 1, fault: { ...where, message: `Row ${row + 1}: ${record.sentence}` } }
      return
    }
    row += 1
    if (header) {
      yield rowOf(row, record, header)
      continue
    }
    header = readHeader(record, columns)
    for (const fault of header.faults) yield { row, fault }
    if (header.faults.length > 0) return
  }
  if (row < 2) yield { row: row + 1, fault: emptyFile(row) }
}

interface Header<Name extends string> {
  width: number
  places: { name: Name; isRequired: boolean; place: number }[]
  faults: Fault[]
}

function readHeader<Name extends string>(record: string[], columns: readonly Column<Name>[]): Header<Name> {
  const names = record.map((cell) => cell.trim().toLowerCase())
  const fault = (field: string, rule: string, sentence: string): Fault => ({
    row: 1,
    field,
    rule,
    message: `Row 1: ${sentence}`,
  })
  const faults = columns.flatMap(({ name, isRequired }) => {
    if (isRequired && !names.includes(name)) return [fault(name, 'column', `column '${name}' is missing`)]
    if (names.indexOf(name) !== names.lastIndexOf(name))
      return [fault(name, 'column', `column '${name}' occurs twice`)]
    return []
  })
  if (names.length > FILE_COLUMNS_MAX)
    faults.push(fault('file', 'columns', `a file may have at most ${FILE_COLUMNS_MAX} columns`))
  const places = columns.map((column) => ({ ...column, place: names.indexOf(column.name) }))
  return { width: names.length, places, faults }
}

/** A record too short for a required column gets an empty cell there: "is required" is the clearest fault. */
function rowOf<Name extends string>(row: number, record: string[], header: Header<Name>): Row<Name> {
  const cells = Object.fromEntries(
    header.places.map(({ name, place }) => [name, record[place] ?? '']),
  ) as Record<Name, string>
  const lacksRequired = header.places.some(({ isRequired, place }) => isRequired && place >= record.length)
  if (record.length !== header.width && !lacksRequired) {
    const message = `Row ${row}: ${record.length} values for ${header.width} columns`
    return { row, cells, fault: { row, field: 'file', rule: 'columns', message } }
  }
  return { row, cells }
}

function emptyFile(rows: number): Fault {
  const message = rows === 0 ? 'The file is empty' : 'The file has a header and no rows'
  return { field: 'file', rule: 'empty', message }
}

/** Bytes → records. Yields every record that was parsed before a fault, then the fault. */
async function* records(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[] | CsvFault> {
  const parsed: string[][] = []
  const parser = openParser((record) => {
    if (record.length > 1 || record[0]?.trim()) parsed.push(record)
  })
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  let unfinishedBytes = 0
  let finishedBefore = 0
  for await (const piece of pieces(bytes)) {
    const text = decode(decoder, piece)
    const fault = (await push(parser, text ?? validStart(piece))) ?? (text === null ? NOT_UTF8 : null)
    yield* parsed.splice(0)
    if (fault) return yield fault
    const finished = parser.info.records + parser.info.empty_lines
    unfinishedBytes = finished === finishedBefore ? unfinishedBytes + piece.byteLength : 0
    finishedBefore = finished
    if (unfinishedBytes > RECORD_BYTES_MAX) return yield TOO_LONG
  }
  const fault = decode(decoder) === null ? NOT_UTF8 : await end(parser)
  yield* parsed.splice(0)
  if (fault) yield fault
}

/** csv-parse passes each record to `take` during the write and outputs nothing: there is no second queue. */
function openParser(take: (record: string[]) => void): Parser {
  const parser = parse({
    ...DIALECT,
    on_record: (record: string[]) => {
      take(record)
      return null
    },
  })
  // The callback of the failed write reports the error; without a listener it would be thrown as well.
  parser.on('error', () => {})
  return parser
}

const push = (parser: Parser, text: string): Promise<CsvFault | null> =>
  text === ''
    ? Promise.resolve(null)
    : new Promise((resolve) => parser.write(text, (error) => resolve(error ? csvFaultOf(error) : null)))

const end = (parser: Parser): Promise<CsvFault | null> =>
  new Promise((resolve) => {
    parser.on('error', (error) => resolve(csvFaultOf(error)))
    parser.end(() => resolve(null))
  })

async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes)
    for (let from = 0; from < chunk.byteLength; from += PIECE_BYTES)
      yield chunk.subarray(from, from + PIECE_BYTES)
}

function decode(decoder: TextDecoder, piece?: Uint8Array): string | null {
  try {
    return piece ? decoder.decode(piece, { stream: true }) : decoder.decode()
  } catch {
    return null
  }
}

/** The text before the first bytes that are not UTF-8, so that the fault names the row of those bytes. */
const validStart = (piece: Uint8Array): string => new TextDecoder().decode(piece).split('\uFFFD', 1)[0] ?? ''

const NOT_UTF8: CsvFault = { rule: 'utf8', sentence: 'from here on the file is not UTF-8' }
const TOO_LONG: CsvFault = {
  rule: 'record_size',
  sentence: `a row may have at most ${RECORD_CHARACTERS_MAX} characters`,
}

const CSV_FAULTS: Partial<Record<CsvError['code'], CsvFault>> = {
  CSV_QUOTE_NOT_CLOSED: { rule: 'quote', sentence: 'a quote is opened and never closed' },
  CSV_INVALID_CLOSING_QUOTE: { rule: 'quote', sentence: 'text follows a closing quote' },
  INVALID_OPENING_QUOTE: { rule: 'quote', sentence: 'a quote is inside a value without quotes' },
  CSV_MAX_RECORD_SIZE: TOO_LONG,
}

const csvFaultOf = (error: Error): CsvFault =>
  CSV_FAULTS[(error as CsvError).code] ?? { rule: 'csv', sentence: 'this is not CSV' }

/**
 * CSV that is sent (RFC 4180), safe to open in a spreadsheet: a cell that a spreadsheet would read as a
 * formula gets a single quote in front. A cell that already has such a quote gets one more, and the reader
 * removes exactly one, so that reading the file back gives the same text.
 */

const LOOKS_LIKE_FORMULA = /^'*[=+\-@\t\r]/
const FORMULA_AFTER_QUOTE = /^'+[=+\-@\t\r]/
const NEEDS_QUOTES = /[",\r\n]/

/** `+1 202 …` → `'+1 202 …` */
export const disarm = (cell: string): string => (LOOKS_LIKE_FORMULA.test(cell) ? `'${cell}` : cell)

/** Undoes `disarm`; leaves a cell unchanged that `disarm` did not change. */
export const rearm = (cell: string): string => (FORMULA_AFTER_QUOTE.test(cell) ? cell.slice(1) : cell)

/** One record and its line end. */
export const csvLine = (cells: readonly string[]): string => `${cells.map(disarmedField).join()}\r\n`

function disarmedField(cell: string): string {
  const safe = disarm(cell)
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
