import { Problem } from '../problem'
import type { DayKey } from './address'
import { onDay } from './reach'
import { ASK_HEADER, type Ask } from './sockets'

const SENTENCES = {
  unauthenticated: 'This ticket is not known for this day and view, or it has expired',
  not_found: 'Nothing of that id was found on this day',
  live_full: 'Too many follow this day at the moment',
}

/**
 * A socket on which the day speaks, for whoever may listen; it is not accepted yet. A remote call cannot
 * carry a socket, a request can.
 */
export async function follow(env: Pick<Env, 'DOCTOR_DAY'>, key: DayKey, ask: Ask): Promise<WebSocket> {
  const headers = { Upgrade: 'websocket', [ASK_HEADER]: encodeURIComponent(JSON.stringify(ask)) }
  const answer = await onDay(env, key, (day) => day.fetch('https://day/live', { headers }))
  if (answer.webSocket) return answer.webSocket
  const code = (await answer.text()) as keyof typeof SENTENCES
  throw new Problem(code, SENTENCES[code])
}
