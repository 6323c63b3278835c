import { createHash, randomBytes, randomUUID } from 'node:crypto'

/** As src/access writes them: the id finds the row, the secret behind the dot proves the caller. */
const KEY = /^(key_[A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/

export const newKey = () => `key_${randomUUID().replaceAll('-', '')}.${randomBytes(32).toString('base64url')}`

/** The two parts the database knows of a key, or null where the text is no key. */
export function partsOf(key) {
  const [, id, secret] = KEY.exec(key) ?? []
  return id === undefined ? null : { id, secretHash: createHash('sha256').update(secret).digest('hex') }
}
