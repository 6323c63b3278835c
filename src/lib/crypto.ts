import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** `bytes` random bytes, in base64url. */
export const newSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url')

/** Takes the same time whatever the two hex digests hold. */
export function sameDigest(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')]
  return a.length === b.length && timingSafeEqual(a, b)
}
