import * as v from 'valibot'
import { LocalDate } from '../lib/time'

/** What a dashboard can send, and the words in which it is refused: its clients show them. */

export type DashboardRequest = { action: 'subscribe'; date: string } | { action: 'unsubscribe' | 'ping' }

const NO_DATE = "Missing 'date' field in subscribe message"
const BAD_DATE = 'Invalid date format. Use YYYY-MM-DD'
const NO_JSON = 'Invalid JSON message'

/** Of an action that is unknown, so much is told. */
const ACTION_CHARACTERS_MAX = 50

/** A longer one is no request of a dashboard. */
export const MESSAGE_CHARACTERS_MAX = 1_000

export function readRequest(text: string | ArrayBuffer): DashboardRequest | { error: string } {
  const sent = typeof text === 'string' && text.length <= MESSAGE_CHARACTERS_MAX ? parsed(text) : null
  if (sent === null) return { error: NO_JSON }
  const { action, date } = sent
  if (action === 'unsubscribe' || action === 'ping') return { action }
  if (action !== 'subscribe') return { error: `Unknown action: ${named(action)}` }
  if (date === undefined || date === null || date === '') return { error: NO_DATE }
  const read = v.safeParse(LocalDate, date)
  return read.success ? { action, date: read.output } : { error: BAD_DATE }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const sent: unknown = JSON.parse(text)
    return typeof sent === 'object' && sent !== null && !Array.isArray(sent)
      ? (sent as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

const named = (action: unknown): string =>
  typeof action === 'string' ? [...action].slice(0, ACTION_CHARACTERS_MAX).join('') : typeof action
