/**
 * How far away the bindings are. On one machine every call is near; on Cloudflare each is a trip through the
 * network, and D1 does one thing at a time. A PUT of /__bill sets both; 0 is the machine as it is.
 */
const distance = { delayMs: 0, d1Ms: 0 }

/** `delayMs`: what every call of a binding takes longer. `d1Ms`: how long each batch occupies D1. */
export function setDistance(delayMs: number, d1Ms: number): void {
  distance.delayMs = delayMs
  distance.d1Ms = d1Ms
}

export async function delayed<Result>(call: () => Promise<Result>): Promise<Result> {
  await wait(distance.delayMs)
  return call()
}

/**
 * A call of the Recorder and the batch that it sends to D1 are one trip: the batch has the delay, and a call
 * without a batch takes as long.
 */
export async function asOneTrip<Result>(call: () => Promise<Result>): Promise<Result> {
  const [result] = await Promise.all([call(), wait(distance.delayMs)])
  return result
}

let freeAt = 0

/**
 * Waits until all earlier batches have left D1 and this one has had its time there. The queue is a number, not
 * a promise, because a promise of one request may not be awaited by another one.
 */
export async function turnAtD1(): Promise<void> {
  if (distance.d1Ms === 0) return
  const now = Date.now()
  freeAt = Math.max(now, freeAt) + distance.d1Ms
  await wait(freeAt - now)
}

const wait = async (ms: number): Promise<void> => {
  if (ms > 0) await scheduler.wait(ms)
}
