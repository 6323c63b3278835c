import { describeRoute } from 'hono-openapi'
import { drainedAfter, FILE_FIELD, limitBytes, noFile } from './bytes'
import { multipartFile } from './multipart'

const FILE_BYTES_MAX_USUAL = 32 * 1024 * 1024

/**
 * The bytes of the uploaded file as they arrive: a multipart field `file`, or the body itself as text/csv.
 */
export async function* fileBytes(request: Request, env: Env): AsyncGenerator<Uint8Array> {
  const bytesMax = Number(env.BULK_BYTES_MAX) || FILE_BYTES_MAX_USUAL
  const contentType = request.headers.get('Content-Type') ?? ''
  const isForm = /^multipart\/form-data\s*(?:;|$)/i.test(contentType)
  if (!request.body || !(isForm || /^text\/csv\s*(?:;|$)/i.test(contentType))) throw noFile()
  yield* drainedAfter(request.body, (body) =>
    limitBytes(bytesMax, isForm ? multipartFile(body, contentType, bytesMax) : body, bytesMax),
  )
}

/** The OpenAPI text of a route whose body is a file and which requires an Idempotency-Key. */
export const takesFile = (columns: string) =>
  describeRoute({
    requestBody: {
      required: true,
      description: `CSV in UTF-8 with the columns ${columns}, in any order.`,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            required: [FILE_FIELD],
            properties: {
              [FILE_FIELD]: { type: 'string', format: 'binary', description: 'A file named *.csv' },
            },
          },
        },
        'text/csv': { schema: { type: 'string', description: 'The file itself' } },
      },
    },
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        required: true,
        description:
          'Any text you choose. A retry with the same key and file within 300 seconds gets the first answer.',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
      },
    ],
  })
