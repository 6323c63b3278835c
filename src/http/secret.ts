import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { SECRET_CHARACTERS_MIN, secretsOf } from '../lib/secret'
import { Problem } from '../problem'

const SENTENCE =
  'The operator of this service must set DOCTORDAY_SECRET: ' +
  `at least ${SECRET_CHARACTERS_MIN} random characters`

/**
 * Serves nothing without a secret: ids, tickets and keys would prove nothing, and the log of a day neither.
 */
export const requireSecret = createMiddleware<App>((c, next) => {
  if (secretsOf(c.env.DOCTORDAY_SECRET).length === 0) throw new Problem('secret_missing', SENTENCE)
  return next()
})
