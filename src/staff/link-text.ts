import { randomBytes } from 'node:crypto'
import { isSigned, sign } from '../lib/secret'

/**
 * The token of a sign-in link is `<clinic>.<expiry, random bytes, signature>`. The deployment signs all of
 * it: a token that is made up, altered or expired is refused before any store is reached.
 */
const TOKEN = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.([A-Za-z0-9_-]{80})$/

const EXPIRY_BYTES = 6
const RANDOM_BYTES = 22
const HEAD_BYTES = EXPIRY_BYTES + RANDOM_BYTES

export function newLinkToken(setting: string, clinicId: string, expiresAt: number): string {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUIntBE(expiresAt, 0, EXPIRY_BYTES)
  randomBytes(RANDOM_BYTES).copy(head, EXPIRY_BYTES)
  const signature = sign(setting, 'sign-in', signedText(clinicId, head))
  return `${clinicId}.${Buffer.concat([head, signature]).toString('base64url')}`
}

/** The clinic whose key has issued the token, or null: the token is no such one, or has expired. */
export function clinicOfToken(setting: string, token: string, now: number): string | null {
  const [, clinicId, rest] = TOKEN.exec(token) ?? []
  if (clinicId === undefined || rest === undefined) return null
  const bytes = Buffer.from(rest, 'base64url')
  const [head, signature] = [bytes.subarray(0, HEAD_BYTES), bytes.subarray(HEAD_BYTES)]
  if (!isSigned(setting, 'sign-in', signedText(clinicId, head), signature)) return null
  return head.readUIntBE(0, EXPIRY_BYTES) <= now ? null : clinicId
}

const signedText = (clinicId: string, head: Buffer): string =>
  JSON.stringify([clinicId, head.toString('base64url')])
