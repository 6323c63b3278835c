import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import type { DashboardMessage } from '../src/dashboard/model'
import worker from '../src/index'

/** Somebody with the older service's dashboard. */
export interface Screen {
  messages: DashboardMessage[]
  /** When each came, in ms. */
  cameAt: number[]
  end: { code: number } | null
  say(what: object | string): void
  cut(): void
}

/** Throws where the socket is refused. */
export async function openScreen(
  headers: Record<string, string>,
  path = '/api/v1/ws/queue',
): Promise<Screen> {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
    headers: { ...headers, Upgrade: 'websocket' },
  })
  const response = await worker.fetch(request, env, createExecutionContext())
  const socket = response.webSocket
  if (!socket) throw new Error(`${response.status} ${await response.text()}`)
  let isCut = false
  const screen: Screen = {
    messages: [],
    cameAt: [],
    end: null,
    say: (what) => socket.send(typeof what === 'string' ? what : JSON.stringify(what)),
    cut() {
      isCut = true
      socket.close()
    },
  }
  socket.addEventListener('message', ({ data }) => {
    if (isCut) return
    screen.messages.push(JSON.parse(String(data)))
    screen.cameAt.push(performance.now())
  })
  socket.addEventListener('close', ({ code }) => {
    screen.end = { code }
  })
  socket.accept()
  return screen
}

/** The pictures of a screen: what it is shown, one after the other. */
export const pictures = ({ messages }: Screen) =>
  messages.flatMap((message) => ('data' in message ? [message.data] : []))
