/** How figures are shown in RESULTS.md. */
export const UNKNOWN = 'not measured'
const MIB = 2 ** 20

const isUnknown = (value) => value === null || value === undefined

export const figure = (digits) => (value) =>
  isUnknown(value)
    ? UNKNOWN
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
export const whole = figure(0)
export const times = (ratio) => (isUnknown(ratio) ? UNKNOWN : `${figure(2)(ratio)} ×`)
export const megabytes = (bytes) => whole(bytes === null ? null : bytes / MIB)
export const verdict = (isKept) => {
  if (isKept === undefined) return 'shown only'
  return isKept === null ? UNKNOWN : isKept ? 'kept' : 'NOT KEPT'
}
export const amount = (count) => count.toLocaleString('en', { maximumFractionDigits: 1 })
export const share = (count) =>
  isUnknown(count) ? UNKNOWN : count.toLocaleString('en', { maximumFractionDigits: 2 })
export const latency = ({ p50, p99 }) => `${figure(1)(p50)} / ${figure(1)(p99)}`

/** A request that was cut off would have waited for more. */
export const calls = (depth, isCutOff) => (isCutOff ? `> ${whole(depth)}` : whole(depth))
