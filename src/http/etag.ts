import type { Context } from 'hono'
import type { App } from '../context'
import { documents } from './endpoint'
import { invalid } from './failure'

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
          'The ETag of the record as you have read it, with its quotes; or several, or `*` for the record ' +
          'as it is now. Without it: 428. After another change: 412.',
      },
    ],
  }),
  /** A proxy that compresses an answer marks its ETag with `W/`; the caller has read the same record. */
  of: (c: Context<App>): IfMatch | undefined => {
    const tags = tagsOf(c.req.header('If-Match') ?? '').map((tag) => tag.replace(/^W\//, ''))
    if (tags.length === 0) return undefined
    if (tags.length === 1 && tags[0] === '*') return () => true
    if (!tags.every((tag) => /^"[^"]*"$/.test(tag))) throw invalid([UNQUOTED])
    return (etag) => tags.includes(etag)
  },
}

/** Whether the caller has read the record that has this ETag. */
export type IfMatch = (etag: string) => boolean

const UNQUOTED = {
  field: 'If-Match',
  rule: 'format',
  message: 'If-Match must be the ETag with its quotes, like "1"; or several with commas between; or *',
}

const tagsOf = (header: string): string[] =>
  header
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')

/** Whether the caller has what this ETag names, so that 304 is answer enough. */
export const isKnown = (c: Context<App>, etag: string): boolean =>
  tagsOf(c.req.header('If-None-Match') ?? '').some((known) => ['*', etag, `W/${etag}`].includes(known))
