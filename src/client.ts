import { hc } from 'hono/client'
import type { Api } from './api'

/** The typed client: every path, body and reply of the API as TypeScript knows them. */
export const client = (url: string, key: string, fetch: typeof globalThis.fetch = globalThis.fetch) =>
  hc<Api>(url, { headers: { Authorization: `Bearer ${key}` }, fetch })
