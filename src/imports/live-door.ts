import type { Context } from 'hono'
import { describeRoute, resolver } from 'hono-openapi'
import * as v from 'valibot'
import type { App } from '../context'
import { tellEvents } from '../http/event-stream'
import type { ImportFacts } from './job'
import { getImport } from './jobs'
import type { KindName } from './model'
import { END, isOver, type Pace, watch } from './watch'

/** A stream of events is no JSON, so `doc` cannot say it. `Progress` is what each event tells. */
export const followed = (Progress: v.GenericSchema) =>
  describeRoute({
    summary: 'Follow an import as it runs',
    description: [
      'Server-sent events: `progress` at once and whenever something changed, `end` when the import is over.',
      'After `end`, close: an EventSource that comes again all the same is told with 204 to stay away.',
      'Where the stream ends without it, come again; it does so after five minutes at the latest.',
      '`eta_seconds` is null while nobody can tell.',
    ].join(' '),
    responses: {
      200: {
        description: 'The progress of the import, one event per change',
        content: { 'text/event-stream': { schema: resolver(Progress) } },
      },
      204: { description: 'The import is over, and `Last-Event-ID` says that you know' },
    },
    parameters: [
      {
        name: 'Last-Event-ID',
        in: 'header',
        required: false,
        description: 'Browsers send it by themselves.',
        schema: { type: 'string' },
      },
    ],
    'x-problems': ['not_found'],
  } as Parameters<typeof describeRoute>[0])

/** What is said of a job, parsed as `reply` does: a field that is not documented cannot leave. */
export async function follow<Progress extends v.GenericSchema>(
  c: Context<App>,
  job: { kind: KindName; id: string },
  progress: { schema: Progress; of(facts: ImportFacts, pace: Pace): v.InferInput<Progress> },
): Promise<Response> {
  const look = () => getImport(c.var.ctx, job.kind, job.id)
  const first = await look()
  if (isOver(first) && c.req.header('Last-Event-ID') === END) return c.body(null, 204)
  const tell = (facts: ImportFacts, pace: Pace) =>
    v.parse(progress.schema, progress.of(facts, pace)) as object
  return tellEvents((left) => watch({ first, look, tell }, left))
}
