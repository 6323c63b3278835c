import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Validator } from '@cfworker/json-schema'
import type { OpenAPIV3_1 } from 'openapi-types'

import worker from '../src/index'

type Document = OpenAPIV3_1.Document
let reading: Promise<Document> | undefined

export function openApiDocument(): Promise<Document> {
  reading ??= Promise.resolve(
    worker.fetch(new Request('https://clinic.test/openapi.json'), env, createExecutionContext()),
  ).then((response) => response.json() as Promise<Document>)
  return reading
}

export interface Operation {
  method: string
  path: string
  operation: OpenAPIV3_1.OperationObject
}

export async function operations(): Promise<Operation[]> {
  const { paths = {} } = await openApiDocument()
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item ?? {}).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation: operation as OpenAPIV3_1.OperationObject,
    })),
  )
}

/** The JSON of those values that the body of an operation takes; null where it takes no JSON. */
export async function bodyOf(
  { requestBody }: OpenAPIV3_1.OperationObject,
  values: Record<string, unknown>,
): Promise<string | null> {
  const schema = requestBody && 'content' in requestBody && requestBody.content['application/json']?.schema
  if (!schema) return null
  const { components } = await openApiDocument()
  const name = '$ref' in schema ? (schema.$ref.split('/').at(-1) ?? '') : ''
  const { properties = {} } = (components?.schemas?.[name] ?? schema) as OpenAPIV3_1.SchemaObject
  return JSON.stringify(Object.fromEntries(Object.entries(values).filter(([field]) => field in properties)))
}

/** Throws where a reply is not what the OpenAPI document says of its route: status, content type, every field. */
export async function expectDocumented(
  method: string,
  url: string,
  response: Response,
  text: string,
): Promise<void> {
  const { pathname } = new URL(url)
  const [found] = (await operations())
    .filter(
      (candidate) =>
        candidate.method === (method === 'HEAD' ? 'GET' : method) && pattern(candidate.path).test(pathname),
    )
    .sort((one, other) => writtenIn(other.path) - writtenIn(one.path))
  const name = `${method} ${found?.path ?? pathname} → ${response.status}`
  if (!found) {
    if ([308, 401, 404, 405].includes(response.status) || method === 'OPTIONS') return
    throw new Error(`${name}: the route is not documented`)
  }
  // Another route has this path written out, and not this method: /hospitals/bulk is no /hospitals/{id}.
  if (response.status === 405 && response.headers.has('Allow')) return
  const documented = found.operation.responses?.[response.status] as OpenAPIV3_1.ResponseObject | undefined
  if (!documented) throw new Error(`${name}: the status is not documented`)
  if ([204, 302, 304].includes(response.status)) return
  const type = response.headers.get('Content-Type')?.split(';')[0] ?? ''
  const content = documented.content?.[type]
  if (!content) throw new Error(`${name}: ${type} is not documented`)
  if (!type.includes('json') || method === 'HEAD') return
  const { valid, errors } = (await validator(name, content.schema)).validate(JSON.parse(text))
  if (!valid) throw new Error(`${name}: ${JSON.stringify(errors.at(-1))}`)
}

/** How much of a path is written out: /appointments/{id}.ics says more than /appointments/{id}. */
const writtenIn = (path: string): number => path.replace(/\{[^}]+\}/g, '').length

const patterns = new Map<string, RegExp>()
function pattern(path: string): RegExp {
  const known =
    patterns.get(path) ?? new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`)
  patterns.set(path, known)
  return known
}

const validators = new Map<string, Validator>()
async function validator(name: string, schema: unknown): Promise<Validator> {
  const { components } = await openApiDocument()
  const known =
    validators.get(name) ?? new Validator({ ...(schema as object), components } as never, '2020-12')
  validators.set(name, known)
  return known
}
