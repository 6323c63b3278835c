import type { Context } from 'hono'
import { version as redocVersion } from 'redoc/package.json'
import { version as swaggerUiVersion } from 'swagger-ui-dist/package.json'
import type { App } from '../context'
import { notFound } from '../problem'

/**
 * The pages load from and connect to this origin only, and scripts come only from files. Swagger UI and Redoc
 * write inline styles, and Redoc searches in a worker that it creates from a blob.
 */
const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}

export const swaggerPage = scriptPage(
  'API documentation',
  '<link rel="stylesheet" href="/docs/page.css">',
  `<link rel="stylesheet" href="/docs/${swaggerUiVersion}/swagger-ui.css">`,
  `<script defer src="/docs/${swaggerUiVersion}/swagger-ui-bundle.js"></script>`,
  '<script defer src="/docs/page.js"></script>',
)

export const redocPage = scriptPage(
  'API reference',
  '<link rel="stylesheet" href="/redoc/page.css">',
  `<script defer src="/redoc/${redocVersion}/redoc.standalone.js"></script>`,
  '<script defer src="/redoc/page.js"></script>',
)

/** A page whose script fills it. */
function scriptPage(title: string, ...head: string[]): string {
  return html(title, head.join('\n'), '<main id="page"></main>')
}

/** A page of text, which loads nothing. `title` and `content` are HTML. */
export const textPage = (title: string, content: string): string =>
  html(title, `<style>${TEXT_STYLE}</style>`, `<main>\n${content}\n</main>`)

const TEXT_STYLE = [
  ':root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }',
  'main { max-width: 48rem; margin: 2rem auto; padding: 0 1rem }',
  'dt { font-weight: 600 } dd { margin: 0 0 1rem } td { padding-right: 1rem }',
  'pre { overflow-x: auto; padding: 0.5rem; border: 1px solid }',
].join('\n')

/** An empty icon keeps the browser from asking for /favicon.ico. */
function html(title: string, head: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doctorday: ${title}</title>
<link rel="icon" href="data:,">
${head}
</head>
<body>${content}</body>
</html>
`
}

export const page = (c: Context<App>, text: string, status: 200 | 404 = 200) =>
  c.html(text, status, { ...HEADERS, 'Cache-Control': 'no-cache' })

/** A script or style of a page, from scripts/assets.mjs. A file in a folder of its version never changes. */
export async function pageFile(c: Context<App>, file: string): Promise<Response> {
  const found = await c.env.ASSETS.fetch(c.req.raw)
  if (found.status === 404) throw notFound('File')
  const response = new Response(found.body, found)
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value)
  const isVersioned = file.includes('/')
  response.headers.set('Cache-Control', isVersioned ? 'public, max-age=31536000, immutable' : 'no-cache')
  return response
}
