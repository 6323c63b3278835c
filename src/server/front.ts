import { gatherLogLines } from './log-lines'
import { addressIn, isIn, type Range, rangesIn } from './ranges'

/**
 * Who has sent a request, and whether it came by https, on one machine. A proxy before the service tells
 * both in headers, and so could every caller: they count only from addresses that the operator trusts. As
 * on Cloudflare, the caller's address is then in CF-Connecting-IP, and the scheme in the URL.
 */

const ADDRESS = 'CF-Connecting-IP'
const FORWARDED_FOR = 'X-Forwarded-For'
const FORWARDED_PROTO = 'X-Forwarded-Proto'

/** Nothing else of this kind is ever read; none of it reaches the Worker unproven. */
const TOLD = [
  ADDRESS,
  FORWARDED_FOR,
  FORWARDED_PROTO,
  'Forwarded',
  'True-Client-IP',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Real-IP',
]

/** What the Worker is given. `peer` is the address of the other end of the connection. */
export function provenRequest(request: Request, peer: string, trusted: Range[]): Request {
  const { headers } = request
  if (!TOLD.some((name) => headers.has(name))) return request
  const isTrusted = isIn(trusted, peer)
  const told = new Headers(headers)
  for (const name of TOLD) told.delete(name)
  told.set(ADDRESS, isTrusted ? callerIn(headers.get(FORWARDED_FOR) ?? '', peer, trusted) : peer)
  const isSecure = isTrusted && headers.get(FORWARDED_PROTO)?.trim().toLowerCase() === 'https'
  const url = isSecure ? request.url.replace(/^http:/, 'https:') : request.url
  return new Request(url, new Request(request, { headers: told }))
}

/** Each proxy adds its peer at the end, so the last address that is no proxy's is the caller's. */
function callerIn(forwardedFor: string, peer: string, trusted: Range[]): string {
  const told = forwardedFor.split(',').map((part) => part.trim())
  const caller = told.findLast((address) => !isIn(trusted, address))
  return caller !== undefined && addressIn(caller) ? caller : peer
}

interface Bindings {
  TRUSTED_PROXIES: string
}

type Fetch = (request: Request, env: Bindings, ctx: ExecutionContext) => Response | Promise<Response>

/** The Worker's fetch, which gets only what is proven of its callers. */
export function behindProxies(worker: { fetch: Fetch }): Fetch {
  const lines = gatherLogLines(console)
  let trusted: Range[] | undefined
  return async (request, env, ctx) => {
    trusted ??= rangesIn(env.TRUSTED_PROXIES)
    const { clientIp = '' } = (request.cf ?? {}) as { clientIp?: string }
    try {
      return await worker.fetch(provenRequest(request, addressOf(clientIp), trusted), env, ctx)
    } finally {
      lines.writeSoon(ctx)
    }
  }
}

/** workerd names the port too: `127.0.0.1:47420`, `[::1]:47420`. */
export const addressOf = (socket: string): string => socket.replace(/^\[?(.*?)\]?:\d+$/, '$1')
