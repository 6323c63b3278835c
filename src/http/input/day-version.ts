import * as v from 'valibot'
import type { App } from '../../context'

type DayVersion = NonNullable<App['Variables']['day']>

/**
 * The header of an answer that a doctor’s day has decided: `doctor/date:version`. A list that is asked for at
 * least this version shows what the answer says, although D1’s copy of the day follows later.
 */
export const DAY_VERSION = 'X-Day-Version'

export const toDayVersion = ({ doctorId, date, version }: DayVersion): string =>
  `${doctorId}/${date}:${version}`

const AT_LEAST_MAX = 10
const ONE = String.raw`[\w.-]{1,100}/\d{4}-\d{2}-\d{2}:\d{1,9}`
const DAY_VERSIONS = new RegExp(`^${ONE}(?:, ?${ONE}){0,${AT_LEAST_MAX - 1}}$`)

/** `?at_least=`: up to ten values of the header, separated by commas. */
export const AtLeast = v.pipe(
  v.string(),
  v.regex(DAY_VERSIONS, `must be up to ${AT_LEAST_MAX} values of the header ${DAY_VERSION}`),
  v.transform((text) =>
    text.split(/, ?/).map((one): DayVersion => {
      const [, doctorId = '', date = '', version] = /^(.*)\/(.*):(\d+)$/.exec(one) ?? []
      return { doctorId, date, version: Number(version) }
    }),
  ),
)
