import type { Context } from 'hono'
import { describeRoute } from 'hono-openapi'
import type { App } from '../context'
import { fingerprintOf, replayUpload, requiredKey } from '../http/idempotency'
import { streamOf } from '../http/stream'
import { type Ended, rowsAsCsv } from './download'
import { fileBytes } from './file'
import type { Kind } from './kind'
import type { Mode } from './model'
import { sha256Of } from './staging'
import { type Accepted, startImport } from './upload'

/** What no schema can say: the body is a file, and its route is one that insists on a key. */
export const takesFile = (columns: string) =>
  describeRoute({
    requestBody: {
      required: true,
      description: `CSV in UTF-8 with the columns ${columns}, in any order.`,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            required: ['file'],
            properties: { file: { type: 'string', format: 'binary', description: 'A file named *.csv' } },
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
          'Any text of your own. The same key and file again within 300 seconds get the first answer.',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
      },
    ],
  })

/** What makes two uploads one request. The same file under another mode is another request. */
const uploadInput = (c: Context<App>, sha256: string) => [
  sha256,
  c.req.query('mode') ?? 'strict',
  c.req.query('dry_run') ?? 'false',
]

export const fileOf = (c: Context<App>) => fileBytes(c.req.raw, c.env)

/** Stands above `receive`: a file that was accepted already gets the first answer. */
export const replayFile = replayUpload(async (c) => uploadInput(c, await sha256Of(fileOf(c))))

/** Takes the file of the request for a new import. */
export const receive = (c: Context<App>, kind: Kind, mode: Mode): Promise<Accepted> =>
  startImport(c.var.ctx, {
    kind,
    mode,
    key: requiredKey(c),
    file: fileOf(c),
    fingerprint: (sha256) => fingerprintOf(c, uploadInput(c, sha256)),
  })

/** A file is no JSON, so `doc` cannot say it. */
export const downloads = (summary: string, columns: string) =>
  describeRoute({
    summary,
    responses: {
      200: {
        description: `CSV with ${columns}. A cell that a spreadsheet would take for a formula is led by '.`,
        content: { 'text/csv': { schema: { type: 'string' } } },
      },
    },
    'x-problems': ['not_found'],
  } as Parameters<typeof describeRoute>[0])

export const sendCsv = async (c: Context<App>, kind: Kind, jobId: string, ended: Ended): Promise<Response> =>
  c.body(streamOf(await rowsAsCsv(c.var.ctx, kind, jobId, ended)), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${ended}.csv"`,
  })
