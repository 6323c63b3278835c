import { LONE_SURROGATE, loneSurrogateIn } from '../../lib/text'
import { Problem } from '../../problem'
import { invalid, named } from '../failure'
import { JSON_BYTES_MAX, readText } from '../limits'
import { faultIn } from './json-fault'

/** The JSON object in a body, whatever its Content-Type; `{}` where the body is empty. */
export async function readJson(request: Request): Promise<object> {
  const contentType = request.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (contentType.startsWith('multipart/')) throw notJson('it is a multipart form')
  const text = await readText(request, JSON_BYTES_MAX)
  const value = text.trim() === '' ? {} : parsed(text, contentType)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid([{ field: 'body', rule: 'type', message: 'The body must be a JSON object' }])
  const field = ESCAPED_SURROGATE.test(text) ? loneSurrogateIn(value) : null
  if (field !== null) throw invalid([{ field, rule: 'text', message: `${named(field)} ${LONE_SURROGATE}` }])
  return value
}

/** The bytes are UTF-8, so only an escape can be half of a surrogate pair. */
const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/

function parsed(text: string, contentType: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    if (isForm(text, contentType)) throw notJson('it is form-encoded (name=value)')
    const { line, column, expected } = faultIn(text)
    throw new Problem(
      'invalid_json',
      `The body is not valid JSON: line ${line}, column ${column}: ${expected}`,
    )
  }
}

/** curl -d says that its body is a form, also where it is JSON: so the text decides. */
const isForm = (text: string, contentType: string): boolean =>
  /^\s*[\w.%+[\]-]+=/.test(text) ||
  (contentType === 'application/x-www-form-urlencoded' && /^[^\s{["]/.test(text))

const notJson = (whatItIs: string) =>
  new Problem('invalid_json', `The body must be a JSON object like {"name": "value"}; ${whatItIs}`)
