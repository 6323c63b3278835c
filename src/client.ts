import { hc } from 'hono/client'
import type { Api } from './api'

/** A typed client: TypeScript checks every path, body and reply against the API's routes. */
export const client = (url: string, key: string, fetch: typeof globalThis.fetch = globalThis.fetch) =>
  hc<Api>(url, { headers: { Authorization: `Bearer ${key}` }, fetch })
