import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { v7 } from 'uuid'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** `bytes` random bytes, in base64url. */
export const newSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url')

/** Whether `digest` is SHA-256 of the secret, compared in constant time. */
export function isDigestOf(secret: string, digest: Uint8Array): boolean {
  const own = createHash('sha256').update(secret).digest()
  return own.length === digest.length && timingSafeEqual(own, digest)
}

/** Compared in constant time: how long it takes tells only the length of `known`. */
export function isSameText(text: string, known: string): boolean {
  let difference = text.length ^ known.length
  for (let n = 0; n < known.length; n += 1) difference |= text.charCodeAt(n) ^ known.charCodeAt(n)
  return difference === 0
}

/** A UUIDv7: newer ids sort later, so new rows go to the end of their index. */
export const newId = (): string => v7()
