import { timingSafeEqual } from 'node:crypto'
import { isSigned, sign } from '../../lib/secret'

/** Signatures of what a day stores, so that a file that was changed outside the service is noticed. */

/** The setting DOCTORDAY_SECRET: the first secret signs, and each of them verifies. */
export type Keyring = string | undefined

/** `earlier`: a secret signed it that is being replaced. `none`: no secret of the setting signed it. */
export type Seal = 'current' | 'earlier' | 'none'

const SIGNATURE = /^[0-9a-f]{64}$/

export const signatureOf = (keys: Keyring, signed: unknown[]): string =>
  sign(keys, 'log', JSON.stringify(signed)).toString('hex')

/** A signature of another length is none: `isSigned` would compare only its beginning. */
export function sealOf(keys: Keyring, signed: unknown[], signature: string): Seal {
  if (!SIGNATURE.test(signature)) return 'none'
  const text = JSON.stringify(signed)
  const bytes = Buffer.from(signature, 'hex')
  if (!isSigned(keys, 'log', text, bytes)) return 'none'
  return timingSafeEqual(sign(keys, 'log', text), bytes) ? 'current' : 'earlier'
}
