/**
 * Asks for the next text when the client has taken the last one; ends it when the client goes. `leaving` says
 * so to whoever is still making one.
 */
export function streamOf(
  texts: AsyncGenerator<string>,
  leaving = new AbortController(),
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await texts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      leaving.abort()
      await texts.return(undefined)
    },
  })
}
