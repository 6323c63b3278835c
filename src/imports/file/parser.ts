import { type CsvError, type Parser, parse } from 'csv-parse'
import { type Column, openingOf, type Separator } from './opening'

/** A longer record is not a row but a quote that was never closed; a kind with long cells allows more. */
export const ROW_CHARACTERS_MAX_USUAL = 64 * 1024

/** Bytes of the file per record. This limits empty columns too, which add no characters to a record. */
export const rowBytesMax = (charactersMax: number): number => 4 * charactersMax

/**
 * All line ends are listed: a parser that detects the line end from the first line reads a file with mixed
 * line ends as one record.
 */
const DIALECT = {
  record_delimiter: ['\r\n', '\n', '\r'],
  relax_column_count: true,
  skip_empty_lines: true,
}

/** A fault that ends the reading, because nothing after it can be trusted. */
export interface FatalFault {
  rule: string
  sentence: string
}

/** Without quotes, separators and line ends, so that it ends no row. */
const IN_PLACE_OF_BAD_BYTES = '\uFFFD'.repeat(8)

/** Holds the text back until the first line has told the separator, then parses. */
export function openFile(
  columns: readonly Column<string>[],
  charactersMax: number,
  take: (record: string[]) => void,
) {
  let [held, separator] = ['', ',' as Separator]
  let parser: Parser | undefined
  const open = (isAll: boolean): FatalFault | null => {
    if (parser) return null
    const opening = openingOf(held, columns, isAll || held.length > charactersMax)
    if (!opening) return null
    if (opening.disguise !== undefined) return { rule: 'csv', sentence: opening.disguise }
    ;[held, separator] = [opening.rest, opening.separator]
    parser = openParser(separator, charactersMax, take)
    return null
  }
  return {
    separator: () => separator,
    finished: () => (parser ? parser.info.records + parser.info.empty_lines : 0),
    async push(text: string): Promise<FatalFault | null> {
      held += text
      const fault = open(false)
      if (!parser) return fault
      const ready = held
      held = ''
      return push(parser, ready, charactersMax)
    },
    /** The parser looks ahead: it gives the row before the bad bytes only after it has seen more text. */
    async endAtBadBytes(): Promise<FatalFault> {
      held += IN_PLACE_OF_BAD_BYTES
      const fault = open(true)
      if (parser) await push(parser, held, charactersMax)
      return fault ?? NOT_UTF8
    },
    async end(): Promise<FatalFault | null> {
      const fault = open(true)
      return parser ? ((await push(parser, held, charactersMax)) ?? end(parser, charactersMax)) : fault
    },
  }
}

/** csv-parse passes each record to `take` during the write and outputs nothing: there is no second queue. */
function openParser(separator: Separator, charactersMax: number, take: (record: string[]) => void): Parser {
  const parser = parse({
    ...DIALECT,
    max_record_size: charactersMax,
    delimiter: separator,
    on_record: (record: string[]) => {
      take(record)
      return null
    },
  })
  // The callback of the failed write reports the error; without a listener it would be thrown as well.
  parser.on('error', () => {})
  return parser
}

const push = (parser: Parser, text: string, charactersMax: number): Promise<FatalFault | null> =>
  text === ''
    ? Promise.resolve(null)
    : new Promise((resolve) =>
        parser.write(text, (error) => resolve(error ? csvFaultOf(error, charactersMax) : null)),
      )

const end = (parser: Parser, charactersMax: number): Promise<FatalFault | null> =>
  new Promise((resolve) => {
    parser.on('error', (error) => resolve(csvFaultOf(error, charactersMax)))
    parser.end(() => resolve(null))
  })

const NOT_UTF8: FatalFault = {
  rule: 'utf8',
  sentence: 'from here on the file is not UTF-8; save it as CSV UTF-8',
}
export const tooLong = (charactersMax: number): FatalFault => ({
  rule: 'record_size',
  sentence: `a row may have at most ${charactersMax} characters`,
})

const CSV_FAULTS: Partial<Record<CsvError['code'], FatalFault>> = {
  CSV_QUOTE_NOT_CLOSED: { rule: 'quote', sentence: 'a quote is opened and never closed' },
  CSV_INVALID_CLOSING_QUOTE: { rule: 'quote', sentence: 'text follows a closing quote' },
  INVALID_OPENING_QUOTE: { rule: 'quote', sentence: 'a quote is inside a value without quotes' },
}

function csvFaultOf(error: Error, charactersMax: number): FatalFault {
  const { code } = error as CsvError
  if (code === 'CSV_MAX_RECORD_SIZE') return tooLong(charactersMax)
  return CSV_FAULTS[code] ?? { rule: 'csv', sentence: 'this is not CSV' }
}

/** Text of a file, and whether the bytes behind it are UTF-8. */
interface Decoded {
  text: string
  isValid: boolean
}

/**
 * Decodes the pieces of a file as they arrive, without its BOM. At bytes that are not UTF-8 it gives the text
 * before exactly those bytes, so that the fault can name their row. Without a piece the file ends.
 */
export function utf8Decoder(): (piece?: Uint8Array) => Decoded {
  const decoder = strictDecoder()
  let begun = new Uint8Array()
  return (piece) => {
    try {
      const text = piece ? decoder.decode(piece, { stream: true }) : decoder.decode()
      if (piece) begun = begunCharacter(Buffer.concat([begun, piece.subarray(-CHARACTER_BYTES_MAX)]))
      return { text, isValid: true }
    } catch {
      return { text: piece ? validStart(Buffer.concat([begun, piece])) : '', isValid: false }
    }
  }
}

const strictDecoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

const CHARACTER_BYTES_MAX = 4

/** The bytes at the end that begin a character and do not finish it. */
function begunCharacter(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = bytes.findLastIndex((byte) => byte < 0x80 || byte >= 0xc0)
  const first = bytes[from] ?? 0
  const length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  return Uint8Array.from(bytes.length - from < length ? bytes.subarray(from) : [])
}

/** Halves the bytes until the longest start that is UTF-8 is found. */
function validStart(bytes: Uint8Array): string {
  let [valid, invalid] = [0, bytes.byteLength]
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1
    if (beginsValid(bytes.subarray(0, middle))) valid = middle
    else invalid = middle
  }
  return strictDecoder().decode(bytes.subarray(0, valid), { stream: true })
}

function beginsValid(bytes: Uint8Array): boolean {
  try {
    strictDecoder().decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
