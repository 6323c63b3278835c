import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import worker from '../src/index'
import { isSigned, secretsOf, sign } from '../src/lib/secret'

const [FIRST, SECOND] = [
  'a-first-secret-of-at-least-32-characters',
  'a-second-secret-of-at-least-32-characters',
]

const answerOf = (path: string, secret: string | undefined) =>
  worker.fetch(
    new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`),
    { ...env, DOCTORDAY_SECRET: secret } as Env,
    createExecutionContext(),
  )

test('without a secret, or with one that is too short, nothing is served but a sentence that says what to set', async () => {
  for (const secret of [
    undefined,
    '',
    'short',
    `${FIRST},short`,
    `${FIRST},`,
    'with a space in its thirty-two characters',
  ])
    for (const path of ['/', '/health', '/docs', '/openapi.json', '/api/v1/doctors', '/no/such/route']) {
      const answer = await answerOf(path, secret)
      expect([path, secret, answer.status]).toEqual([path, secret, 503])
      expect(await answer.json()).toMatchObject({
        type: expect.stringContaining('secret_missing'),
        message: expect.stringContaining('DOCTORDAY_SECRET'),
      })
      expect(answer.headers.get('Retry-After')).not.toBeNull()
    }
  expect((await answerOf('/health', FIRST)).status).toBe(200)
  expect((await answerOf('/health', `${FIRST}, ${SECOND}`)).status).toBe(200)
})

test('during a rotation the first secret signs and both verify; after it, what the old one signed is void', () => {
  const old = sign(FIRST, 'ticket', 'a text')
  const rotating = `${SECOND},${FIRST}`
  expect(isSigned(rotating, 'ticket', 'a text', old)).toBe(true)
  expect(sign(rotating, 'ticket', 'a text')).toEqual(sign(SECOND, 'ticket', 'a text'))
  expect(isSigned(SECOND, 'ticket', 'a text', old)).toBe(false)
})

test('a signature holds for its purpose and its text only, and its beginning holds alike', () => {
  const signature = sign(FIRST, 'ticket', 'a text')
  expect(isSigned(FIRST, 'id', 'a text', signature)).toBe(false)
  expect(isSigned(FIRST, 'ticket', 'another text', signature)).toBe(false)
  expect(isSigned(FIRST, 'ticket', 'a text', signature.subarray(0, 3))).toBe(true)
  expect(isSigned('', 'ticket', 'a text', signature)).toBe(false)
  expect(() => sign('', 'ticket', 'a text')).toThrow('DOCTORDAY_SECRET')
  expect(secretsOf(`${FIRST},${SECOND}`)).toEqual([FIRST, SECOND])
})
