import { faultIn } from '../../http/input/json-fault'
import { emptyFile, ROW_NUMBER_MAX, tooManyRows } from '../csv'
import { FILE_COLUMNS_MAX, type FileNotes, notesAbout } from './header'
import { type Column, disguiseOf, type FileRow, nameOf } from './opening'
import { type FatalFault, rowBytesMax } from './parser'

/**
 * Reads NDJSON as it arrives: one JSON object on each line, in UTF-8 with or without BOM. The number of a row
 * is that of its line. Lines without text are no rows. A line that is no object is the fault of that row
 * alone; reading ends at a line that is too long or not UTF-8, and at a first line that begins no object.
 * Faults never repeat the content of a line. After the last row `onNotes` is told of unknown fields.
 */
export async function* readNdjson<Name extends string>(
  bytes: AsyncIterable<Uint8Array>,
  columns: readonly Column<Name>[],
  onNotes: (notes: FileNotes) => void,
  charactersMax: number,
): AsyncGenerator<FileRow<Name>> {
  const fields = fieldsOf(columns)
  const fatal = ({ rule, sentence }: FatalFault): FileRow<Name> => ({
    row,
    fault: faultOf(row, rule, sentence),
  })
  let [row, rows] = [0, 0]
  for await (const { text, fault } of linesOf(bytes, rowBytesMax(charactersMax))) {
    row += 1
    if (fault) return yield fatal(fault)
    if (text.trim() === '') continue
    const disguise = rows === 0 ? textDisguiseOf(text.trim()) : null
    if (disguise) return yield fatal(disguise)
    if (row > ROW_NUMBER_MAX) return yield tooManyRows()
    rows += 1
    const { cells, broken } = fields.read(text)
    if (fields.tooMany()) return yield fatal(TOO_MANY_FIELDS)
    yield broken ? { row, cells, fault: faultOf(row, broken.rule, broken.sentence) } : { row, cells }
  }
  if (rows === 0) return yield { row: 1, fault: emptyFile(0) }
  onNotes(fields.notes())
}

const faultOf = (row: number, rule: string, sentence: string) => ({
  row,
  field: 'file',
  rule,
  message: `Row ${row}: ${sentence}`,
})

const TOO_MANY_FIELDS: FatalFault = {
  rule: 'columns',
  sentence: `a file may have at most ${FILE_COLUMNS_MAX} fields that are none of this import`,
}

/** JSON that is no NDJSON, and files of other kinds that someone has named .ndjson. */
function textDisguiseOf(line: string): FatalFault | null {
  if (line.startsWith('['))
    return notNdjson('this is a JSON array; send one object on each line, no brackets')
  if (line === '{') return notNdjson('an object must stand on one line')
  return line.startsWith('{') ? null : notNdjson('this is not NDJSON: each line must be one JSON object')
}

const notNdjson = (sentence: string): FatalFault => ({ rule: 'json', sentence })

type Parsed<Name extends string> = { cells: Record<Name, unknown>; broken?: FatalFault }

/** Reads lines, and remembers the names of the fields that it met. */
function fieldsOf<Name extends string>(columns: readonly Column<Name>[]) {
  const byName = new Map<string, Column<Name>>(columns.map((column) => [column.name, column]))
  const [unknown, present] = [new Set<string>(), new Set<string>()]
  const read = (text: string): Parsed<Name> => {
    const cells = Object.fromEntries(columns.map(({ name }) => [name, ''])) as Record<Name, unknown>
    const { object, broken } = objectIn(text)
    if (broken) return { cells, broken }
    const names = new Set<Name>()
    let twice: Name | undefined
    for (const [given, value] of Object.entries(object)) {
      const column = byName.get(nameOf(given))
      if (!column) {
        if (given.trim()) unknown.add(given.trim())
        continue
      }
      if (names.has(column.name)) twice = column.name
      names.add(column.name)
      present.add(column.name)
      cells[column.name] = cellOf(value, column)
    }
    return twice === undefined ? { cells } : { cells, broken: occursTwice(twice) }
  }
  return {
    read,
    tooMany: () => unknown.size > FILE_COLUMNS_MAX,
    notes: () =>
      notesAbout(
        [...unknown],
        columns.filter(({ name }) => !present.has(name)),
      ),
  }
}

const occursTwice = (name: string): FatalFault => ({
  rule: 'unique',
  sentence: `field '${name}' occurs twice`,
})

/** Null is an absent value. What else is no text is left for the rules of the row, which refuse it. */
function cellOf(value: unknown, { json }: Column<string>): unknown {
  if (value === null) return ''
  return json !== undefined && typeof value === json ? String(value) : value
}

type Found = { object: object; broken?: undefined } | { object?: undefined; broken: FatalFault }

function objectIn(text: string): Found {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { object: value }
    return { broken: notNdjson('the line must be a JSON object') }
  } catch {
    const { column, expected } = faultIn(text, 'line')
    return { broken: notNdjson(`the line is not JSON: column ${column}: ${expected}`) }
  }
}

type Line = { text: string; fault?: undefined } | { text?: undefined; fault: FatalFault }

const LINE_FEED = 0x0a

/** Splits bytes, so that only one line is held, and the line of bytes that are not UTF-8 is known. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Line> {
  let [held, heldBytes, isFirst] = [[] as Uint8Array[], 0, true]
  const take = (part: Uint8Array) => {
    held.push(part)
    heldBytes += part.byteLength
  }
  const line = (): Line => {
    const whole = Buffer.concat(held)
    const read = lineOf(whole, isFirst, bytesMax)
    ;[held, heldBytes, isFirst] = [[], 0, false]
    return read
  }
  for await (const piece of bytes) {
    let from = 0
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, from)) {
      take(piece.subarray(from, end))
      from = end + 1
      yield line()
    }
    take(piece.subarray(from))
    if (heldBytes > bytesMax) return yield line()
  }
  if (heldBytes > 0) yield line()
}

function lineOf(bytes: Uint8Array, isFirst: boolean, bytesMax: number): Line {
  const disguise = isFirst ? disguiseOf(bytes) : null
  if (disguise) return { fault: notNdjson(disguise) }
  if (bytes.byteLength > bytesMax)
    return { fault: { rule: 'record_size', sentence: `a line may have at most ${bytesMax} bytes` } }
  try {
    // A BOM begins a file. In front of another line it is no JSON.
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: !isFirst }).decode(bytes) }
  } catch {
    return { fault: { rule: 'utf8', sentence: 'from here on the file is not UTF-8; save it as UTF-8' } }
  }
}
