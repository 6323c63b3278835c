import { DurableObject } from 'cloudflare:workers'
import * as limits from './kv-limits'
import { together } from './together'

/**
 * KV on one machine: the protocol of KV's binding over the SQLite database of one object. An alarm deletes
 * what has expired. An answer of KV only spares work, so it may wait for others to share their commit.
 */

const SHARE_COMMIT_MS = 20

/** SQLite takes values of 2 MB, KV of 25. */
const PART_BYTES = 1_000_000

const SWEEP_EVERY_MS = 3_600_000

/** Entries that one statement deletes. */
const SWEEP_ENTRIES = 1_000

const TABLE = `CREATE TABLE IF NOT EXISTS entries
  (key TEXT, part INTEGER, value BLOB NOT NULL, metadata TEXT, expires_at INTEGER, PRIMARY KEY (key, part))`
const EXPIRIES = 'CREATE INDEX IF NOT EXISTS expiries ON entries (expires_at) WHERE expires_at IS NOT NULL'
const PUT = 'INSERT OR REPLACE INTO entries (key, part, value, metadata, expires_at) VALUES (?, ?, ?, ?, ?)'
const REMOVE = 'DELETE FROM entries WHERE key = ? AND part >= ?'
const GET = `SELECT value, metadata, expires_at FROM entries
  WHERE key = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY part`
const LIST = `SELECT key, metadata, expires_at FROM entries
  WHERE key > ?1 AND key >= ?2 AND substr(key, 1, length(?2)) = ?2 AND part = 0
    AND (expires_at IS NULL OR expires_at > ?3)
  ORDER BY key LIMIT ?4`
const SWEEP = `DELETE FROM entries WHERE rowid IN
  (SELECT rowid FROM entries WHERE expires_at <= ? LIMIT ${SWEEP_ENTRIES})`
const NEXT_SWEEP = 'SELECT 1 FROM entries WHERE expires_at IS NOT NULL LIMIT 1'

interface Row extends Record<string, SqlStorageValue> {
  value: ArrayBuffer
  metadata: string | null
  /** Seconds since 1970. */
  expires_at: number | null
}

interface Found {
  value: Uint8Array
  metadata: string | null
  expiresAt: number | null
}

export class KvNamespaceObject extends DurableObject {
  readonly #together = together(SHARE_COMMIT_MS)
  readonly #sql = this.ctx.storage.sql
  #isArmed = false

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(TABLE)
    this.#sql.exec(EXPIRIES)
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const query = url.searchParams
    if (request.method === 'POST') return this.#getMany(await request.json())
    if (url.pathname === '/') return this.#list(query)
    const key = keyIn(url)
    if (key === null) return refused({ status: 400, message: 'Could not URL-decode key name' })
    const refusal = limits.keyRefusal(key) ?? limits.cacheTtlRefusal(query.get('cache_ttl'))
    if (refusal) {
      await request.body?.cancel()
      return refused(refusal)
    }
    if (request.method === 'PUT') return this.#put(key, request, query)
    if (request.method === 'DELETE') return this.#delete(key)
    return this.#get(key)
  }

  #get(key: string): Response {
    const found = this.#find(key)
    if (!found) return refused({ status: 404, message: 'Not Found' })
    const headers = new Headers()
    if (found.expiresAt !== null) headers.set('CF-Expiration', String(found.expiresAt))
    if (found.metadata !== null) headers.set('CF-KV-Metadata', found.metadata)
    return new Response(found.value, { headers })
  }

  async #put(key: string, request: Request, query: URLSearchParams): Promise<Response> {
    // A sender whose body is not read waits for ever.
    const value = await request.bytes()
    const expiresAt = limits.expiryOf(query.get('expiration'), query.get('expiration_ttl'), seconds())
    if (expiresAt !== null && typeof expiresAt === 'object') return refused(expiresAt)
    const metadata = request.headers.get('CF-KV-Metadata')
    const refusal = limits.metadataRefusal(metadata) ?? limits.valueRefusal(value.byteLength)
    if (refusal) return refused(refusal)
    if (expiresAt !== null) await this.#arm()
    return this.#changed(() => {
      const parts = Math.max(Math.ceil(value.byteLength / PART_BYTES), 1)
      for (let part = 0; part < parts; part += 1) {
        const bytes = value.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
        this.#sql.exec(PUT, key, part, bytes, metadata, expiresAt)
      }
      this.#sql.exec(REMOVE, key, parts)
    })
  }

  #delete(key: string): Promise<Response> {
    return this.#changed(() => this.#sql.exec(REMOVE, key, 0))
  }

  async #changed(change: () => void): Promise<Response> {
    await this.#together.run(() => this.ctx.storage.transactionSync(change))
    return new Response()
  }

  #getMany({
    keys,
    type,
    withMetadata,
  }: {
    keys: string[]
    type?: string
    withMetadata?: boolean
  }): Response {
    if (type && type !== 'text' && type !== 'json')
      return refused({ status: 400, message: `"${type}" is not a valid type. Use "json" or "text"` })
    if (keys.length > limits.BULK_KEYS_MAX)
      return refused({ status: 400, message: `You can request a maximum of ${limits.BULK_KEYS_MAX} keys` })
    if (keys.length < 1) return refused({ status: 400, message: 'You must request a minimum of 1 key' })
    let bytes = 0
    const found: Record<string, unknown> = {}
    for (const key of keys) {
      const refusal = limits.keyRefusal(key)
      if (refusal) return refused(refusal)
      const entry = this.#find(key)
      bytes += entry?.value.byteLength ?? 0
      if (bytes > limits.VALUE_BYTES_MAX)
        return refused({ status: 413, message: 'Total size of request exceeds the limit of 25MB' })
      try {
        found[key] = entry && wantedOf(entry, type === 'json', withMetadata === true)
      } catch {
        const message = `At least one of the requested keys corresponds to a non-${type} value`
        return refused({ status: 400, message })
      }
    }
    return Response.json(found)
  }

  #list(query: URLSearchParams): Response {
    const limit = limits.limitOf(query.get('key_count_limit'))
    if (typeof limit === 'object') return refused(limit)
    const prefix = query.get('prefix') ?? ''
    const tooLong = limits.keyLengthRefusal(prefix)
    if (tooLong) return refused(tooLong)
    const after = decodedCursor(query.get('cursor'))
    const rows = this.#sql
      .exec<{ key: string; metadata: string | null; expires_at: number | null }>(
        LIST,
        after,
        prefix,
        seconds(),
        limit + 1,
      )
      .toArray()
    const page = rows.slice(0, limit)
    const isComplete = rows.length <= limit
    return Response.json({
      keys: page.map(({ key, metadata, expires_at }) => ({
        name: key,
        expiration: expires_at ?? undefined,
        metadata: metadata ?? undefined,
      })),
      list_complete: isComplete,
      cursor: isComplete ? undefined : encodedCursor(page.at(-1)?.key ?? ''),
      cacheStatus: null,
    })
  }

  #find(key: string): Found | null {
    const rows = this.#sql.exec<Row>(GET, key, seconds()).toArray()
    const [first] = rows
    if (!first) return null
    const value = rows.length === 1 ? new Uint8Array(first.value) : joined(rows.map((row) => row.value))
    return { value, metadata: first.metadata, expiresAt: first.expires_at }
  }

  /** The sweep that is set already stays: set later again and again it would never come. */
  async #arm(): Promise<void> {
    if (this.#isArmed) return
    this.#isArmed = true
    if ((await this.ctx.storage.getAlarm()) === null)
      await this.ctx.storage.setAlarm(Date.now() + SWEEP_EVERY_MS)
  }

  override async alarm(): Promise<void> {
    this.#isArmed = false
    while (this.#sql.exec(SWEEP, seconds()).rowsWritten > 0) await scheduler.wait(0)
    if (this.#sql.exec(NEXT_SWEEP).toArray().length > 0) await this.#arm()
  }
}

const seconds = () => Math.floor(Date.now() / 1_000)

const refused = ({ status, message }: limits.Refusal) =>
  new Response(message, { status, statusText: message })

function keyIn({ pathname, searchParams }: URL): string | null {
  const key = pathname.slice(1)
  if (searchParams.get('urlencoded')?.toLowerCase() !== 'true') return key
  try {
    return decodeURIComponent(key)
  } catch {
    return null
  }
}

function joined(parts: ArrayBuffer[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((total, part) => total + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    all.set(new Uint8Array(part), at)
    at += part.byteLength
  }
  return all
}

function wantedOf({ value, metadata }: Found, isJson: boolean, withMetadata: boolean): unknown {
  const text = new TextDecoder().decode(value)
  const wanted: unknown = isJson ? JSON.parse(text) : text
  return withMetadata ? { value: wanted, metadata: metadata === null ? null : JSON.parse(metadata) } : wanted
}

const encodedCursor = (key: string) => Buffer.from(key).toString('base64')
const decodedCursor = (cursor: string | null) => Buffer.from(cursor ?? '', 'base64').toString()

/** The one namespace of a binding. */
export default {
  fetch(request: Request, env: { NAMESPACES: DurableObjectNamespace; NAME: string }): Promise<Response> {
    return env.NAMESPACES.get(env.NAMESPACES.idFromName(env.NAME)).fetch(request)
  },
}
