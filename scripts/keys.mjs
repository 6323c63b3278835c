import { createHash, randomBytes, randomUUID } from 'node:crypto'

/** The format of src/access: the id finds the row, the secret after the dot proves the caller's identity. */
const KEY = /^(key_[A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/

export const newKey = () => `key_${randomUUID().replaceAll('-', '')}.${randomBytes(32).toString('base64url')}`

/** The two parts of a key that the database stores, or null if the text is not a key. */
export function partsOf(key) {
  const [, id, secret] = KEY.exec(key) ?? []
  return id === undefined ? null : { id, secretHash: createHash('sha256').update(secret).digest('hex') }
}
