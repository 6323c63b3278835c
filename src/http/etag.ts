import type { Context } from 'hono'
import type { App } from '../context'
import { documents } from './endpoint'

/** A record that may be changed has an ETag. A caller that changes it sends the ETag of what it has read. */

/** Call it before the answer is made. */
export const withEtag = (c: Context<App>, etag: string): void => c.header('ETag', etag)

export const ifMatch = {
  documented: documents({
    parameters: [
      {
        name: 'If-Match',
        in: 'header',
        required: true,
        schema: { type: 'string' },
        description:
          'The ETag of the record as you have read it. Without it: 428. After another change: 412.',
      },
    ],
  }),
  of: (c: Context<App>): string | undefined => c.req.header('If-Match')?.trim() || undefined,
}

/** Whether the caller has what this ETag names, so that 304 is answer enough. */
export const isKnown = (c: Context<App>, etag: string): boolean =>
  (c.req.header('If-None-Match') ?? '')
    .split(',')
    .some((known) => ['*', etag, `W/${etag}`].includes(known.trim()))
