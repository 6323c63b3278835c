/** What was answered once is answered so for good: after other requests, after a kill, after KV forgot. */
export async function askAgain({ chance, past }) {
  const wantsRefusal = chance.happens(0.6)
  const asked = chance.pick(
    past.filter(({ isRefusal, until }) => isRefusal === wantsRefusal && Date.now() < until),
  )
  await asked?.askAgain()
}
