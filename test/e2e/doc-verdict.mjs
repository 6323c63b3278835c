// Whether a command of the documentation came to what stands beside it.
import { isDeepStrictEqual } from 'node:util'

const OUTPUT_CHARACTERS_MAX = 2_000

/** A stream goes on until the time that `-m` sets is up; curl then exits with 28. */
const FOLLOWS = /\bcurl -sNm \d/
const TIME_IS_UP = 28

/** What is wrong, in words, or null. */
export function troubleOf({ where, text, status, exit, answer }, result) {
  const wrong =
    wrongExit(text, exit, result) ??
    wrongStatus(status, result) ??
    wrongAnswer(answer, result) ??
    silent(text, result)
  return wrong && `${where}: ${wrong}\n\n${text}\n\n${clipped(result.out)}${clipped(result.err)}`
}

function wrongExit(text, exit, result) {
  if (result.exit === exit || (FOLLOWS.test(text) && result.exit === TIME_IS_UP)) return null
  return `it should exit with ${exit}, its exit code is ${result.exit}${statusesOf(result)}`
}

/** A status beside the command is that of its last curl. */
function wrongStatus(status, { statuses }) {
  const wanted = statuses.map((_, n) => (n === statuses.length - 1 ? status : undefined))
  if (status !== undefined && statuses.length === 0) return `it should answer ${status}, but it calls nothing`
  const isWrong = statuses.some((got, n) => (wanted[n] ? got !== wanted[n] : got < 200 || got > 299))
  return isWrong ? `it should answer ${status ?? '2xx'}${statusesOf({ statuses })}` : null
}

const statusesOf = ({ statuses }) => (statuses.length > 0 ? `; answered were ${statuses.join(', ')}` : '')

function wrongAnswer(answer, { out }) {
  if (answer === undefined) return null
  return sameButForIds(answer, out) ? null : `its answer is not the documented one:\n\n${answer}\n`
}

const silent = (text, { out }) =>
  FOLLOWS.test(text) && out === '' && !text.startsWith('TICKET=') ? 'the stream says nothing' : null

/** Whether two answers are the same JSON. Ids, instants and dates are others each time. */
export function sameButForIds(documented, answered) {
  try {
    return isDeepStrictEqual(plain(documented), plain(answered))
  } catch {
    return false
  }
}

const plain = (text) =>
  JSON.parse(
    text
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'an id')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'an instant')
      .replaceAll(/\d{4}-\d\d-\d\d/g, 'a date'),
  )

const clipped = (text) =>
  text.length > OUTPUT_CHARACTERS_MAX ? `${text.slice(0, OUTPUT_CHARACTERS_MAX)} …\n` : text
