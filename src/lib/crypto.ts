import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { v7 } from 'uuid'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** `bytes` random bytes, in base64url. */
export const newSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url')

/** Whether `digest` is SHA-256 of the secret. */
export const isDigestOf = (secret: string, digest: Uint8Array): boolean =>
  isEqual(createHash('sha256').update(secret).digest(), digest)

/** In a time that depends only on the lengths. */
export const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)

/** A UUIDv7: newer ids sort later, so new rows go to the end of their index. */
export const newId = (): string => v7()
