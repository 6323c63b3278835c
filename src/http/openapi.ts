import { toJsonSchema } from '@valibot/to-json-schema'
import type { Hono } from 'hono'
import { generateSpecs } from 'hono-openapi'
import type { OpenAPIV3_1 } from 'openapi-types'
import * as v from 'valibot'
import type { App } from '../context'
import { PROBLEMS, type ProblemCode, RULES } from '../problem'
import { withEnding } from './router'

type Document = OpenAPIV3_1.Document
type Operation = OpenAPIV3_1.OperationObject & { 'x-problems'?: ProblemCode[]; 'x-scope'?: string }

export interface About {
  title: string
  version: string
  description: string
  tags: { name: string; paths: RegExp; description: string }[]
}

/** Builds the OpenAPI 3.1 document of all routes from their validating schemas and the table of problems. */
export async function openApi(app: Hono<App>, { tags, ...info }: About): Promise<Document> {
  const { paths, components, ...document } = await generateSpecs(app, {
    defaultValidationErrorResponse: false,
    excludeStaticFile: false,
    documentation: {
      info: { ...info, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
    },
  })
  for (const [written, item] of Object.entries(paths)) {
    const path = withEnding(written)
    delete paths[written]
    paths[path] = item
    const tag = tags.find(({ paths: pattern }) => pattern.test(path))?.name
    for (const [method, operation] of Object.entries(item))
      complete(method, path, operation as Operation, tag)
  }
  return {
    ...document,
    tags: tags.map(({ name, description }) => ({ name, description })),
    paths: paths as Document['paths'],
    components: {
      ...components,
      schemas: { ...components.schemas, Problem: PROBLEM },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

function complete(method: string, path: string, operation: Operation, tag: string | undefined): void {
  const { 'x-problems': own = [], 'x-scope': scope } = operation
  operation.tags = tag === undefined ? [] : [tag]
  operation.security ??= []
  operation.responses = {
    ...operation.responses,
    ...problemResponses([...own, ...sharedProblems(method, path, operation)], operation.responses),
  }
  if (scope)
    operation.description = [operation.description, `Scope: \`${scope}\`.`].filter(Boolean).join('\n\n')
  const isDocumented = operation.parameters?.some((p) => 'name' in p && p.name === 'Idempotency-Key')
  if ((method === 'post' || own.includes('idempotency_key_reused')) && !isDocumented)
    operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY]
  for (const parameter of operation.parameters ?? [])
    if ('name' in parameter) parameter.name = parameter.name.replace(/_ics$/, '')
  delete operation['x-problems']
  delete operation['x-scope']
}

/** Refusals that all routes of a kind share, so that no route has to list them. */
function sharedProblems(method: string, path: string, operation: Operation): ProblemCode[] {
  const takesJson =
    operation.requestBody &&
    'content' in operation.requestBody &&
    'application/json' in operation.requestBody.content
  const hasQuery = operation.parameters?.some((p) => 'in' in p && p.in === 'query')
  return [
    ...(takesJson ? (['invalid_json', 'invalid_request', 'body_too_large'] as const) : []),
    ...(hasQuery || path.includes('{') ? (['invalid_request'] as const) : []),
    ...(method === 'post' ? (['idempotency_key_reused'] as const) : []),
    ...(method === 'post' || method === 'patch' ? (['body_encoded'] as const) : []),
    ...(operation.security?.length ? (['unauthenticated', 'scope_missing'] as const) : []),
    'internal',
    'unavailable',
  ]
}

/** `also`: the other forms that a refusal can have, like the page for a browser. */
function problemResponses(
  codes: ProblemCode[],
  also: OpenAPIV3_1.ResponsesObject = {},
): OpenAPIV3_1.ResponsesObject {
  const byStatus = Object.groupBy([...new Set(codes)], (code) => PROBLEMS[code].status)
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, sharing]) => [
      status,
      {
        description: sharing.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
        content: {
          ...contentOf(also[status]),
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    ]),
  )
}

const contentOf = (response: OpenAPIV3_1.ResponsesObject[string] | undefined) =>
  response && 'content' in response ? response.content : {}

const RULES_TOLD = Object.entries(RULES)
  .map(([rule, meaning]) => `\`${rule}\`: ${meaning}.`)
  .join(' ')

/** A refusal (RFC 9457). `error` repeats `title` and `message` repeats `detail` for older clients. */
const PROBLEM = toJsonSchema(
  v.strictObject({
    type: v.pipe(v.string(), v.description('/problems/{code}, where the problem is explained')),
    title: v.string(),
    status: v.pipe(v.number(), v.integer()),
    detail: v.string(),
    error: v.string(),
    message: v.string(),
    request_id: v.string(),
    error_type: v.optional(
      v.pipe(v.string(), v.description('On the routes of hospitals: for older clients')),
    ),
    from: v.optional(v.pipe(v.string(), v.description('With illegal_step: the current status'))),
    to: v.optional(v.pipe(v.string(), v.description('With illegal_step: the requested status'))),
    allowed: v.optional(
      v.pipe(
        v.array(v.string()),
        v.description(
          'With illegal_step: the statuses that a step can lead to. A call or an undo is no step',
        ),
      ),
    ),
    alternatives: v.optional(
      v.pipe(
        v.array(
          v.strictObject({
            slot: v.pipe(v.number(), v.integer()),
            starts_at: v.optional(v.string()),
            ends_at: v.optional(v.string()),
          }),
        ),
        v.description('Where a chosen slot cannot be given: the nearest free slots, nearest first'),
      ),
    ),
    appointments: v.optional(
      v.pipe(v.array(v.string()), v.description('With appointments_ahead: the ids of the appointments')),
    ),
    errors: v.optional(
      v.array(
        v.strictObject({
          field: v.string(),
          rule: v.pipe(v.picklist(Object.keys(RULES)), v.description(RULES_TOLD)),
          message: v.string(),
          row: v.optional(v.pipe(v.number(), v.integer())),
        }),
      ),
    ),
    more_errors: v.optional(
      v.pipe(v.number(), v.integer(), v.description('How many faults there are beyond those in `errors`')),
    ),
  }),
) as OpenAPIV3_1.SchemaObject

const IDEMPOTENCY_KEY: OpenAPIV3_1.ParameterObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Any text of your choice. The same key and body within 24 hours get the first answer.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}
