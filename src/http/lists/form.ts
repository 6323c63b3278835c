import type { Context } from 'hono'
import { accepts } from 'hono/accepts'
import type { OpenAPIV3_1 } from 'openapi-types'
import type { App } from '../../context'
import { invalid } from '../failure'

/** The forms that the answer of a list can have, the usual one first. */
const TYPES = { json: 'application/json', csv: 'text/csv', html: 'text/html' } as const
export type Form = keyof typeof TYPES

/** What every list can be. */
export const LIST_FORMS: readonly Form[] = ['json', 'csv']

/** For the answer of a list. */
export function chooseForm(c: Context<App>, forms: readonly Form[]): void {
  c.set('listForm', formOf(c, forms))
  // A cache must not give one form to who asked for the other.
  c.header('Vary', 'Accept', { append: true })
}

/** `?format=` counts more than `Accept`: a link in a page can choose a form, and no header. */
export function formOf(c: Context<App>, forms: readonly Form[]): Form {
  const asked = c.req.query('format')
  if (asked === undefined) return accepted(c, forms)
  const form = forms.find((name) => name === asked)
  if (form === undefined)
    throw invalid([{ field: 'format', rule: 'choice', message: `format must be one of ${forms.join(', ')}` }])
  return form
}

/** The form that the caller prefers (RFC 9110, 12.5.1); where it prefers none, or none of these, JSON. */
function accepted(c: Context<App>, forms: readonly Form[]): Form {
  const named = accepts(c, {
    header: 'Accept',
    supports: forms.map((form) => TYPES[form]),
    default: TYPES.json,
    match: (wanted, { supports }) => {
      const ranks = supports.map((type) => ({ type, ...preference(wanted, type) }))
      const [best] = ranks
        .filter(({ q }) => q > 0)
        .sort((one, other) => other.q - one.q || other.isNamed - one.isNamed)
      return best?.type ?? TYPES.json
    },
  })
  return forms.find((form) => TYPES[form] === named) ?? 'json'
}

/** Of the ranges that a type is in, the narrowest decides. Of equal types, one that is named comes first. */
function preference(wanted: readonly { type: string; q: number }[], type: string) {
  const qOf = (range: string) => wanted.find((each) => each.type.toLowerCase() === range)?.q
  const own = qOf(type)
  return { q: own ?? qOf(`${type.split('/')[0]}/*`) ?? qOf('*/*') ?? 0, isNamed: own === undefined ? 0 : 1 }
}

/** `?format=` of a list, for the OpenAPI document. */
export const formParameter = (forms: readonly Form[]): OpenAPIV3_1.ParameterObject => ({
  name: 'format',
  in: 'query',
  required: false,
  description: 'The form of the answer; it overrides `Accept`.',
  schema: { type: 'string', enum: [...forms] },
})
