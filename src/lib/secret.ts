import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** Each purpose has a key of its own, so that a signature for one proves nothing for another. */
export type Purpose = 'api-key' | 'ticket' | 'sign-in' | 'id' | 'log' | 'feed'

export const SECRET_CHARACTERS_MIN = 32

/** Visible ASCII but the comma, which separates two secrets. */
const SECRET = new RegExp(`^[!-+.-~-]{${SECRET_CHARACTERS_MIN},}$`)

/**
 * The secrets in the setting `DOCTORDAY_SECRET`: one, or during a rotation several, with commas between them.
 * The first one signs, and each of them verifies. None where the setting is missing, or one of them is not
 * valid.
 */
export function secretsOf(setting = ''): readonly string[] {
  if (read?.setting === setting) return read.secrets
  const secrets = setting.split(',').map((secret) => secret.trim())
  read = { setting, secrets: secrets.every((secret) => SECRET.test(secret)) ? secrets : [] }
  return read.secrets
}

/** Each request needs them several times. */
let read: { setting: string; secrets: readonly string[] } | undefined

/** HMAC-SHA256 of `text` under the key that HKDF derives from the first secret. Throws without a secret. */
export function sign(setting: string | undefined, purpose: Purpose, text: string): Buffer {
  const [secret] = secretsOf(setting)
  if (secret === undefined) throw new Error('DOCTORDAY_SECRET is not set')
  return signWith(secret, purpose, text)
}

/** Whether one of the secrets signed `text`. A shorter `signature` must equal the beginning of the whole. */
export const isSigned = (
  setting: string | undefined,
  purpose: Purpose,
  text: string,
  signature: Uint8Array,
): boolean =>
  secretsOf(setting).some((secret) =>
    timingSafeEqual(signWith(secret, purpose, text).subarray(0, signature.length), signature),
  )

const signWith = (secret: string, purpose: Purpose, text: string): Buffer =>
  createHmac('sha256', keyFor(secret, purpose)).update(text).digest()

const KEY_BYTES = 32
const derived = new Map<string, Buffer>()

/** Derived once per isolate. */
function keyFor(secret: string, purpose: Purpose): Buffer {
  const name = `${purpose}:${secret}`
  const known = derived.get(name)
  if (known) return known
  const key = Buffer.from(hkdfSync('sha256', secret, '', `doctorday:${purpose}`, KEY_BYTES))
  derived.set(name, key)
  return key
}
