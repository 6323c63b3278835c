/** An answer stays the same: after other requests, after a kill, and after KV has lost it. */
export async function repeatRequest({ chance, past }) {
  const wantsRefusal = chance.happens(0.6)
  const request = chance.pick(
    past.filter(({ isRefusal, until }) => isRefusal === wantsRefusal && Date.now() < until),
  )
  await request?.repeat()
}
