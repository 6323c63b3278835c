/** Workers Assets on one machine: the files of a folder, with their types. */

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  webp: 'image/webp',
  woff2: 'font/woff2',
}

const READS = ['GET', 'HEAD']

export default {
  async fetch(request: Request, env: { FILES: Fetcher }): Promise<Response> {
    if (!READS.includes(request.method))
      return new Response(null, { status: 405, headers: { Allow: 'GET, HEAD' } })
    const { pathname } = new URL(request.url)
    const type = TYPES[pathname.split('.').at(-1)?.toLowerCase() ?? '']
    // A folder would be answered with the list of its files.
    if (!type) return new Response(null, { status: 404 })
    const found = await env.FILES.fetch(`http://files${pathname}`, { method: request.method })
    if (!found.ok) return new Response(null, { status: found.status })
    const headers = new Headers({ 'Content-Type': type })
    const size = found.headers.get('Content-Length')
    const changed = found.headers.get('Last-Modified')
    if (size) headers.set('Content-Length', size)
    if (changed) headers.set('ETag', `"${Date.parse(changed).toString(36)}-${size}"`)
    const known = request.headers.get('If-None-Match')
    if (known !== null && known === headers.get('ETag')) {
      await found.body?.cancel()
      return new Response(null, { status: 304, headers: { ETag: known } })
    }
    return new Response(found.body, { headers })
  },
}
