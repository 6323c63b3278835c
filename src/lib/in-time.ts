/**
 * What the work comes to, or a failure where it takes longer. Nothing calls the work off: it may still have
 * its effect later, and whoever stops waiting must be able to live with that.
 */
export async function inTime<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('Took too long', 'TimeoutError')), limitMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
