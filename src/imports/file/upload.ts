import { describeRoute } from 'hono-openapi'
import { drainedAfter, FILE_FIELD, limitBytes, noFile } from './bytes'
import { multipartFile } from './multipart'
import type { ArrivingFile, Format } from './rows'

const FILE_BYTES_MAX_USUAL = 32 * 1024 * 1024

/** The uploaded file as it arrives: a multipart field `file`, or the body itself as CSV or NDJSON. */
export function arrivingFile(request: Request, env: Env): ArrivingFile {
  const contentType = request.headers.get('Content-Type') ?? ''
  let format: Format = isNdjson(contentType) ? 'ndjson' : 'csv'
  const onFormat = (named: Format) => {
    format = named
  }
  return { bytes: fileBytes(request, env, contentType, onFormat), format: () => format }
}

const isNdjson = (contentType: string): boolean =>
  /^application\/(?:x-ndjson|ndjson|jsonl)\s*(?:;|$)/i.test(contentType)

async function* fileBytes(
  { body }: Request,
  env: Env,
  contentType: string,
  onFormat: (format: Format) => void,
): AsyncGenerator<Uint8Array> {
  const bytesMax = Number(env.BULK_BYTES_MAX) || FILE_BYTES_MAX_USUAL
  const isForm = /^multipart\/form-data\s*(?:;|$)/i.test(contentType)
  const isFile = isForm || isNdjson(contentType) || /^text\/csv\s*(?:;|$)/i.test(contentType)
  if (!body || !isFile) throw noFile()
  yield* drainedAfter(body, (sent) =>
    limitBytes(bytesMax, isForm ? multipartFile(sent, contentType, bytesMax, onFormat) : sent, bytesMax),
  )
}

/** The OpenAPI text of a route whose body is a file and which requires an Idempotency-Key. */
export const takesFile = (columns: string) =>
  describeRoute({
    requestBody: {
      required: true,
      description:
        `CSV in UTF-8 with the columns ${columns}, in any order; ` +
        'or NDJSON: on each line a JSON object with these fields, as texts.',
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            required: [FILE_FIELD],
            properties: {
              [FILE_FIELD]: {
                type: 'string',
                format: 'binary',
                description: 'A file named *.csv, *.ndjson or *.jsonl',
              },
            },
          },
        },
        'text/csv': { schema: { type: 'string', description: 'The file itself' } },
        'application/x-ndjson': { schema: { type: 'string', description: 'The file itself' } },
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
