import { createHash, createHmac, hkdfSync, randomBytes, randomUUID } from 'node:crypto'

/** The formats of src/access/key-text.ts: signed by the deployment, and the older one without a signature. */
const KEY = /^(key_v2_[0-9a-f]{32})\.([A-Za-z0-9_-]{64})$|^(key_[A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/
const RANDOM_BYTES = 32
const SIGNATURE_BYTES = 16

/** `secret`: the deployment's DOCTORDAY_SECRET, which may be several during a rotation: the first one signs. */
export function newKey(secret) {
  const id = `key_v2_${randomUUID().replaceAll('-', '')}`
  const random = randomBytes(RANDOM_BYTES)
  return `${id}.${Buffer.concat([random, signatureOf(secret, id, random)]).toString('base64url')}`
}

/** Whether the deployment with this secret accepts the key, if its database has it. */
export function isOf(secret, key) {
  const parts = partsOf(key)
  if (!parts?.isSigned) return parts !== null
  const bytes = Buffer.from(key.slice(parts.id.length + 1), 'base64url')
  const signature = bytes.subarray(RANDOM_BYTES)
  return secret
    .split(',')
    .some((one) => signature.equals(signatureOf(one, parts.id, bytes.subarray(0, RANDOM_BYTES))))
}

/** The two parts of a key that the database stores, or null if the text is not a key. */
export function partsOf(key) {
  const [, id, secret, oldId, oldSecret] = KEY.exec(key) ?? []
  if (id === undefined && oldId === undefined) return null
  const secretHash = createHash('sha256')
    .update(secret ?? oldSecret)
    .digest('hex')
  return { id: id ?? oldId, secretHash, isSigned: id !== undefined }
}

/** As src/lib/secret.ts signs. */
function signatureOf(secret, id, random) {
  const key = Buffer.from(hkdfSync('sha256', secret.split(',')[0].trim(), '', 'doctorday:api-key', 32))
  const text = `${id}.${random.toString('base64url')}`
  return createHmac('sha256', key).update(text).digest().subarray(0, SIGNATURE_BYTES)
}
