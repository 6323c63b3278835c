/** What KV takes, and the sentences with which it refuses the rest: those of Cloudflare's own simulator. */

export const VALUE_BYTES_MAX = 25 * 1024 * 1024
export const BULK_KEYS_MAX = 100
const KEY_BYTES_MAX = 512
const METADATA_BYTES_MAX = 1024
const LIST_KEYS_MAX = 1_000
const TTL_SECONDS_MIN = 60
const CACHE_TTL_SECONDS_MIN = 30

export interface Refusal {
  status: 400 | 404 | 413 | 414
  message: string
}

const bytesOf = (text: string) => new TextEncoder().encode(text).byteLength

const refusal = (status: Refusal['status'], message: string): Refusal => ({ status, message })

export function keyRefusal(key: string): Refusal | null {
  if (key === '') return refusal(400, 'Key names must not be empty')
  if (key === '.' || key === '..')
    return refusal(400, `Illegal key name "${key}". Please use a different name.`)
  return keyLengthRefusal(key)
}

export function keyLengthRefusal(key: string): Refusal | null {
  const length = bytesOf(key)
  if (length <= KEY_BYTES_MAX) return null
  return refusal(414, `UTF-8 encoded length of ${length} exceeds key length limit of ${KEY_BYTES_MAX}.`)
}

export function cacheTtlRefusal(given: string | null): Refusal | null {
  if (given === null || Number.parseInt(given, 10) >= CACHE_TTL_SECONDS_MIN) return null
  const wanted = `Cache TTL must be at least ${CACHE_TTL_SECONDS_MIN}.`
  return refusal(400, `Invalid cache_ttl of ${Number.parseInt(given, 10)}. ${wanted}`)
}

export const valueRefusal = (length: number): Refusal | null =>
  length > VALUE_BYTES_MAX
    ? refusal(413, `Value length of ${length} exceeds limit of ${VALUE_BYTES_MAX}.`)
    : null

export function metadataRefusal(metadata: string | null): Refusal | null {
  const length = bytesOf(metadata ?? '')
  if (length <= METADATA_BYTES_MAX) return null
  return refusal(413, `Metadata length of ${length} exceeds limit of ${METADATA_BYTES_MAX}.`)
}

/** Seconds since 1970 at which an entry expires, or null; `ttl` stands before `at`. */
export function expiryOf(at: string | null, ttl: string | null, now: number): number | Refusal | null {
  if (ttl !== null) {
    const seconds = Number.parseInt(ttl, 10)
    const invalid = `Invalid expiration_ttl of ${ttl}.`
    if (!(seconds > 0)) return refusal(400, `${invalid} Please specify integer greater than 0.`)
    if (seconds < TTL_SECONDS_MIN)
      return refusal(400, `${invalid} Expiration TTL must be at least ${TTL_SECONDS_MIN}.`)
    return now + seconds
  }
  if (at === null) return null
  const seconds = Number.parseInt(at, 10)
  const invalid = `Invalid expiration of ${at}.`
  if (!(seconds > now)) {
    const wanted = 'Please specify integer greater than the current number of seconds since the UNIX epoch.'
    return refusal(400, `${invalid} ${wanted}`)
  }
  if (seconds < now + TTL_SECONDS_MIN) {
    const wanted = `Expiration times must be at least ${TTL_SECONDS_MIN} seconds in the future.`
    return refusal(400, `${invalid} ${wanted}`)
  }
  return seconds
}

/** The most keys of a page. */
export function limitOf(given: string | null): number | Refusal {
  const limit = given === null ? LIST_KEYS_MAX : Number.parseInt(given, 10)
  const invalid = `Invalid key_count_limit of ${limit}. Please specify an integer`
  if (!(limit >= 1)) return refusal(400, `${invalid} greater than 0.`)
  if (limit > LIST_KEYS_MAX) return refusal(400, `${invalid} less than ${LIST_KEYS_MAX}.`)
  return limit
}
