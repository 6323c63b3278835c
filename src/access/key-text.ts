import { randomBytes } from 'node:crypto'
import { isSigned, sign } from '../lib/secret'

/**
 * A key is `<id>.<secret>`. Keys made since November 2026 are signed: their secret is 32 random bytes and the
 * first 16 bytes of the deployment's signature of id and random bytes. So a made-up key is refused without a
 * look-up. The signature opens nothing: D1 knows which keys are valid.
 */
const SIGNED = /^(key_v2_[0-9a-f]{32})\.([A-Za-z0-9_-]{64})$/
const RANDOM_BYTES = 32
const SIGNATURE_BYTES = 16

/** Keys made before that. */
const UNSIGNED = /^(key_[A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/

export interface KeyText {
  id: string
  secret: string
  isSigned: boolean
}

/** Whether the deployment has signed the key; `wrong` may be the signature of a lost secret. */
export type Proof = 'right' | 'wrong' | 'none'

/** Null where the text is no key. */
export function readKey(text: string): KeyText | null {
  const [, id, secret] = SIGNED.exec(text) ?? []
  if (id !== undefined && secret !== undefined) return { id, secret, isSigned: true }
  const [, oldId, oldSecret] = UNSIGNED.exec(text) ?? []
  return oldId === undefined || oldSecret === undefined
    ? null
    : { id: oldId, secret: oldSecret, isSigned: false }
}

/** `name`: 32 hexadecimal digits that no other key has. */
export function newKeyText(setting: string, name: string): Pick<KeyText, 'id' | 'secret'> {
  const id = `key_v2_${name}`
  const random = randomBytes(RANDOM_BYTES)
  const signature = sign(setting, 'api-key', signedText(id, random)).subarray(0, SIGNATURE_BYTES)
  return { id, secret: Buffer.concat([random, signature]).toString('base64url') }
}

export function proofOf(setting: string, key: KeyText): Proof {
  if (!key.isSigned) return 'none'
  const bytes = Buffer.from(key.secret, 'base64url')
  const [text, signature] = [
    signedText(key.id, bytes.subarray(0, RANDOM_BYTES)),
    bytes.subarray(RANDOM_BYTES),
  ]
  return isSigned(setting, 'api-key', text, signature) ? 'right' : 'wrong'
}

const signedText = (id: string, random: Buffer): string => `${id}.${random.toString('base64url')}`
