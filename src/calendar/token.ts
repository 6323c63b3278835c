import { randomBytes } from 'node:crypto'
import { isSigned, sign } from '../lib/secret'

/**
 * The token of a feed is 32 random bytes and the first 16 bytes of the deployment's signature of the doctor
 * and them: a token that is made up, or of another doctor, is refused before any store is reached. The
 * signature opens nothing: D1 knows which token is valid.
 */
const TOKEN = /^[A-Za-z0-9_-]{64}$/
const RANDOM_BYTES = 32
const SIGNATURE_BYTES = 16

export function newFeedToken(setting: string, doctorId: string): string {
  const random = randomBytes(RANDOM_BYTES)
  const signature = sign(setting, 'feed', feedText(doctorId, random)).subarray(0, SIGNATURE_BYTES)
  return Buffer.concat([random, signature]).toString('base64url')
}

export function isFeedToken(setting: string, doctorId: string, token: string): boolean {
  if (!TOKEN.test(token)) return false
  const bytes = Buffer.from(token, 'base64url')
  const [random, signature] = [bytes.subarray(0, RANDOM_BYTES), bytes.subarray(RANDOM_BYTES)]
  return isSigned(setting, 'feed', feedText(doctorId, random), signature)
}

const feedText = (doctorId: string, random: Buffer): string =>
  JSON.stringify([doctorId, random.toString('base64url')])
