import * as v from 'valibot'
import { afterEach, expect, test, vi } from 'vitest'
import { callUpstream } from '../src/upstream/call'

afterEach(() => {
  vi.restoreAllMocks()
})

const called = (response: Response) => {
  vi.spyOn(globalThis, 'fetch').mockResolvedValue(response)
  return callUpstream('https://upstream.test/', { method: 'POST', expects: v.object({ id: v.string() }) })
}

test.each([
  [64 * 1024, 'done'],
  [64 * 1024 + 1, 'unknown'],
])('a reply of %i bytes is %s', async (bytes, is) => {
  expect(await called(new Response('{"id":"1"}'.padEnd(bytes, ' ')))).toMatchObject({ is })
})

test.each([301, 302, 303, 307, 308])(
  'a redirect by %i is a refusal, and nobody goes there',
  async (status) => {
    const reply = called(new Response(null, { status, headers: { Location: 'https://elsewhere.test/' } }))
    expect(await reply).toEqual({ is: 'refused', status })
    expect(fetch).toHaveBeenCalledTimes(1)
    expect(fetch).toHaveBeenCalledWith(
      'https://upstream.test/',
      expect.objectContaining({ redirect: 'manual', signal: expect.any(AbortSignal) }),
    )
  },
)
