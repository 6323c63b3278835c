import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Day } from '../state/day'
import type { Event } from '../state/event'
import type { MarkedText, TextKind, Texts } from '../state/texts'

/**
 * The texts of a day, beside its log. The first text creates their table, so a day without any costs nothing.
 *
 * An object cannot VACUUM, and SQLite leaves deleted bytes in its file. So a text is overwritten before it is
 * deleted; and it stands behind a filler of a whole page, so that SQLite keeps it in pages of its own. Those
 * are never copied when rows are moved within the tree, which would leave a copy that nothing overwrites.
 */
const SCHEMA = `CREATE TABLE IF NOT EXISTS texts
  (id INTEGER PRIMARY KEY, filler BLOB NOT NULL, key BLOB NOT NULL, text BLOB NOT NULL)`

/** As large as a page of SQLite: what follows in the row lies in other pages. */
const FILLER_BYTES = 4_096

const KEY_BYTES = 32

export interface SealedText extends MarkedText {
  key: Buffer
  text: Buffer
}

type TextRow = { id: number; key: ArrayBuffer; text: ArrayBuffer }

/** What of a command is text, as it will be stored. Each text has a key of its own. */
export function seal(texts: Texts, lastText: number): SealedText[] {
  const written = Object.entries(texts).filter(([, words]) => words !== '') as [TextKind, string][]
  return written.map(([kind, words], index) => {
    const [key, text] = [randomBytes(KEY_BYTES), Buffer.from(words)]
    return { textId: lastText + 1 + index, kind, mac: macOf(key, text), key, text }
  })
}

const macOf = (key: Uint8Array, text: Uint8Array): string =>
  createHmac('sha256', key).update(text).digest('hex')

/** Stores and erases what these events say. Call it within the transaction that appends them. */
export function storeTexts(sql: SqlStorage, events: Event[], sealed: SealedText[]): void {
  const byId = new Map(sealed.map((text) => [text.textId, text]))
  for (const event of events)
    if (event.type === 'text_ended') erase(sql, event.textId)
    else if (event.type === 'text_set') {
      const { key, text } = byId.get(event.textId) ?? {}
      if (!key || !text) throw new RangeError('An event has no text')
      sql.exec(SCHEMA)
      sql.exec(`INSERT INTO texts VALUES (?, zeroblob(${FILLER_BYTES}), ?, ?)`, event.textId, key, text)
    }
}

/** SQLite overwrites a row in place where its length stays the same. */
function erase(sql: SqlStorage, id: number): void {
  if (!hasTexts(sql)) return
  sql.exec('UPDATE texts SET key = zeroblob(length(key)), text = zeroblob(length(text)) WHERE id = ?', id)
  sql.exec('DELETE FROM texts WHERE id = ?', id)
}

/** What is written of an appointment; null where a text was changed, or is missing. */
export function readTexts(sql: SqlStorage, day: Day, appointmentId: string): Texts | null {
  const texts: Texts = {}
  for (const marked of day.texts.values()) {
    if (marked.appointmentId !== appointmentId) continue
    const [row] = hasTexts(sql) ? sql.exec<TextRow>(SELECT_ONE, marked.textId).toArray() : []
    if (!row || !isWhole(row, marked)) return null
    texts[marked.kind] = Buffer.from(row.text).toString()
  }
  return texts
}

/** Throws where a text is not whole: a move would otherwise end it as if it had never been there. */
export function textsToMove(sql: SqlStorage, day: Day, appointmentId: string): Texts {
  const texts = readTexts(sql, day, appointmentId)
  if (!texts) throw new RangeError('A text of the appointment was changed or is missing')
  return texts
}

const SELECT_ONE = 'SELECT id, key, text FROM texts WHERE id = ?'

/** Whether the texts are those that the log names: none was changed, added, or removed without an event. */
export function areTextsWhole(sql: SqlStorage, day: Day): boolean {
  let count = 0
  if (hasTexts(sql))
    for (const row of sql.exec<TextRow>('SELECT id, key, text FROM texts')) {
      const marked = day.texts.get(row.id)
      if (!marked || !isWhole(row, marked)) return false
      count += 1
    }
  return count === day.texts.size
}

function isWhole({ key, text }: TextRow, { mac }: MarkedText): boolean {
  const [told, found] = [
    Buffer.from(mac, 'hex'),
    Buffer.from(macOf(new Uint8Array(key), new Uint8Array(text)), 'hex'),
  ]
  return told.length === found.length && timingSafeEqual(told, found)
}

const hasTexts = (sql: SqlStorage): boolean =>
  sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'texts'`).toArray().length > 0
