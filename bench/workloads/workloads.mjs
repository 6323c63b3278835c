import { DESK } from './desk.mjs'
import { IN_TURN } from './in-turn.mjs'
import { MOVES } from './moves.mjs'
import { RECORDS } from './records.mjs'

/**
 * What the service is measured by. `prepare` creates what a run of this many requests needs, and returns a
 * function from a number to a request; `perDay`, if it is given, is how many of them share a day. `isRight`
 * checks a reply of the expected status. `wakes`: its days ring an alarm later, which belongs to its cost.
 * `isBillOnly`: costs are counted, but speed is not measured; `isLoadOnly` the other way round; `isDepthOnly`:
 * neither of them. `isAlone`: it asks so much that 20 at once would measure something else. `isForMany`: speed
 * is also measured with many clinics, each with a key of its own, that take turns.
 */
export const WORKLOADS = [...DESK, ...IN_TURN, ...MOVES, ...RECORDS]

/** The workloads whose costs are counted. */
export const BILLED = WORKLOADS.filter(({ isLoadOnly, isDepthOnly }) => !isLoadOnly && !isDepthOnly)

/** `count`: of the clinics. */
const forMany = ({ prepare, ...workload }, count) => ({
  ...workload,
  name: nameForMany(workload.name),
  title: `${workload.title}, ${count} clinics`,
  isLoadOnly: true,
  prepare: (site, ...wanted) => prepare(site.many, ...wanted),
})

export const nameForMany = (name) => `${name}-clinics`

/** The workloads whose speed is measured. */
export const loadsFor = (clinics) =>
  WORKLOADS.filter(({ isBillOnly, isDepthOnly }) => !isBillOnly && !isDepthOnly).flatMap((workload) => [
    workload,
    ...(workload.isForMany ? [forMany(workload, clinics)] : []),
  ])
