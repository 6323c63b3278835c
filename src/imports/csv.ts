import { type CsvError, type Parser, parse } from 'csv-parse'
import type { Fault } from '../problem'

/** A record of a file longer than this is no row of a table but a quote that was never closed. */
const RECORD_CHARACTERS_MAX = 64 * 1024

/**
 * What a record may take of the file. Bounds its columns too, which hold no characters where they are empty.
 */
const RECORD_BYTES_MAX = 4 * RECORD_CHARACTERS_MAX

/** How much of the file is parsed at a time, so that what waits for the reader stays small. */
const PIECE_BYTES = 64 * 1024

const FILE_COLUMNS_MAX = 256

/**
 * Every line end is known beforehand: a parser that learns it from the first line reads mixed files as one
 * record.
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
 * One record under its columns, or what is wrong with it. `row` counts records; the header is row 1. A fault
 * with cells is that row's alone; one without is the file's.
 */
type Row<Name extends string> =
  | { row: number; cells: Record<Name, string>; fault?: undefined }
  | { row: number; cells?: Record<Name, string>; fault: Fault }

/** What ends the reading: nothing behind it can be trusted. */
interface Broken {
  rule: string
  sentence: string
}

/**
 * Reads CSV (RFC 4180, comma, UTF-8 with or without BOM) as it arrives. A record is a row even where a quoted
 * line break spreads it over several lines; lines without text are no rows. A missing column or a broken
 * quote is the last thing told. Faults never repeat what a cell holds.
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
      yield underColumns(row, record, header)
      continue
    }
    header = readHeader(record, columns)
    for (const fault of header.faults) yield { row, fault }
    if (header.faults.length > 0) return
  }
  if (row < 2) yield { row: row + 1, fault: emptiness(row) }
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
      return [fault(name, 'column', `column '${name}' stands there twice`)]
    return []
  })
  if (names.length > FILE_COLUMNS_MAX)
    faults.push(fault('file', 'columns', `a file may have at most ${FILE_COLUMNS_MAX} columns`))
  const places = columns.map((column) => ({ ...column, place: names.indexOf(column.name) }))
  return { width: names.length, places, faults }
}

/** A record too short for a required column goes on with that cell empty: "is required" says it best. */
function underColumns<Name extends string>(row: number, record: string[], header: Header<Name>): Row<Name> {
  const cells = Object.fromEntries(
    header.places.map(({ name, place }) => [name, record[place] ?? '']),
  ) as Record<Name, string>
  const lacksRequired = header.places.some(({ isRequired, place }) => isRequired && place >= record.length)
  if (record.length !== header.width && !lacksRequired) {
    const message = `Row ${row}: ${record.length} values stand under ${header.width} columns`
    return { row, cells, fault: { row, field: 'file', rule: 'columns', message } }
  }
  return { row, cells }
}

function emptiness(rows: number): Fault {
  const message = rows === 0 ? 'The file is empty' : 'The file has a header and no rows'
  return { field: 'file', rule: 'empty', message }
}

/** Bytes → records. Everything parsed before a fault is told before it. */
async function* records(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[] | Broken> {
  const arrived: string[][] = []
  const parser = openParser((record) => {
    if (record.length > 1 || record[0]?.trim()) arrived.push(record)
  })
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  let unfinishedBytes = 0
  let seen = 0
  for await (const piece of pieces(bytes)) {
    const text = decode(decoder, piece)
    const broken = (await push(parser, text ?? readable(piece))) ?? (text === null ? NOT_UTF8 : null)
    yield* arrived.splice(0)
    if (broken) return yield broken
    const finished = parser.info.records + parser.info.empty_lines
    unfinishedBytes = finished === seen ? unfinishedBytes + piece.byteLength : 0
    seen = finished
    if (unfinishedBytes > RECORD_BYTES_MAX) return yield TOO_LONG
  }
  const broken = decode(decoder) === null ? NOT_UTF8 : await end(parser)
  yield* arrived.splice(0)
  if (broken) yield broken
}

/**
 * csv-parse hands each record over while it is written to, and passes nothing on: there is no second queue.
 */
function openParser(take: (record: string[]) => void): Parser {
  const parser = parse({
    ...DIALECT,
    on_record: (record: string[]) => {
      take(record)
      return null
    },
  })
  // The callback of the write that fails tells the error; without a listener it would be thrown as well.
  parser.on('error', () => {})
  return parser
}

const push = (parser: Parser, text: string): Promise<Broken | null> =>
  text === ''
    ? Promise.resolve(null)
    : new Promise((resolve) => parser.write(text, (error) => resolve(error ? brokenBy(error) : null)))

const end = (parser: Parser): Promise<Broken | null> =>
  new Promise((resolve) => {
    parser.on('error', (error) => resolve(brokenBy(error)))
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

/** What stands before the first bytes that are no UTF-8: the fault is told of the row that they are in. */
const readable = (piece: Uint8Array): string => new TextDecoder().decode(piece).split('\uFFFD', 1)[0] ?? ''

const NOT_UTF8: Broken = { rule: 'utf8', sentence: 'from here on the file is not UTF-8' }
const TOO_LONG: Broken = {
  rule: 'record_size',
  sentence: `a row may have at most ${RECORD_CHARACTERS_MAX} characters`,
}

const BROKEN: Partial<Record<CsvError['code'], Broken>> = {
  CSV_QUOTE_NOT_CLOSED: { rule: 'quote', sentence: 'a quote is opened and never closed' },
  CSV_INVALID_CLOSING_QUOTE: { rule: 'quote', sentence: 'text follows a closing quote' },
  INVALID_OPENING_QUOTE: { rule: 'quote', sentence: 'a quote stands inside a value without quotes' },
  CSV_MAX_RECORD_SIZE: TOO_LONG,
}

const brokenBy = (error: Error): Broken =>
  BROKEN[(error as CsvError).code] ?? { rule: 'csv', sentence: 'this is not CSV' }

/**
 * CSV as it leaves (RFC 4180), safe to open in a spreadsheet: a cell that would be read as a formula is led
 * by a single quote. So that reading it back gives the very same text, a cell that already looks so led gets
 * one more, and the reader takes exactly one away.
 */

const LOOKS_LIKE_FORMULA = /^'*[=+\-@\t\r]/
const LED_BY_QUOTE = /^'+[=+\-@\t\r]/
const NEEDS_QUOTES = /[",\r\n]/

/** `+1 202 …` → `'+1 202 …` */
export const disarm = (cell: string): string => (LOOKS_LIKE_FORMULA.test(cell) ? `'${cell}` : cell)

/** Undoes `disarm`, and leaves alone what never went through it. */
export const rearm = (cell: string): string => (LED_BY_QUOTE.test(cell) ? cell.slice(1) : cell)

/** One record and its line end. */
export const csvLine = (cells: readonly string[]): string => `${cells.map(disarmedField).join()}\r\n`

function disarmedField(cell: string): string {
  const safe = disarm(cell)
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
