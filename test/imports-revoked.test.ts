import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KEY_ASKED_EVERY_MS, progressEvents, READ_EVERY_MS_MAX } from '../src/imports/progress'
import type { ImportFacts } from '../src/imports/status'
import worker from '../src/index'
import { type Client, keyFor, openClinic } from './clinic'
import { csv, HOSPITALS, heldQueue, upload } from './directory'
import { soon } from './soon'

beforeEach(() => {
  heldQueue()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('the key is asked about often enough that a stream ends ten seconds after a revocation', () => {
  expect(KEY_ASKED_EVERY_MS + READ_EVERY_MS_MAX + 1_000).toBeLessThanOrEqual(10_000)
})

const follow = async (client: Client, path: string) => {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, {
    headers: { Authorization: `Bearer ${client.key}` },
  })
  const { status, body } = await worker.fetch(request, env, createExecutionContext())
  const follower = { status, text: '', hasEnded: false }
  const read = async () => {
    for await (const chunk of body ?? []) follower.text += new TextDecoder().decode(chunk as Uint8Array)
    follower.hasEnded = true
  }
  void read()
  return follower
}

test.each([
  ['is revoked', 'UPDATE api_keys SET revoked_at = 1 WHERE id = ?'],
  ['has expired', 'UPDATE api_keys SET expires_at = 1 WHERE id = ?'],
  ['may do less', `UPDATE api_keys SET scopes = '["events:read"]' WHERE id = ?`],
])('the stream of an import ends when its key %s elsewhere; another key’s goes on', async (_, sql) => {
  const clinic = await openClinic()
  const other = await keyFor(clinic.clinicId, ['hospitals:read'])
  const { body } = await upload(clinic, csv('A,B,'))
  const path = `${HOSPITALS}/status/${body.job_id}/live`
  const [revoked, kept] = [await follow(other, path), await follow(clinic, path)]
  await soon(() => expect(revoked.text).toContain('event: progress'))
  await env.DB.prepare(sql).bind(other.keyId).run()
  vi.useFakeTimers({ now: Date.now() + KEY_ASKED_EVERY_MS, toFake: ['Date'] })
  await soon(() => expect(revoked.hasEnded).toBe(true))
  expect(revoked.text).not.toContain('event: end')
  expect(kept.hasEnded).toBe(false)
})

test.each([
  ['at once', 0],
  ['after a minute without a change', 60_000],
])('a key that is revoked %s ends its stream within ten seconds', async (_, later) => {
  vi.useFakeTimers({ now: 0, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  const job = { id: 'job', clinicId: 'c', state: 'processing', totalRows: 9, pausedUntil: null }
  const first = { job, created: 0, failed: 0 } as unknown as ImportFacts
  let [isRevoked, hasEnded] = [false, false]
  const readJob = async (asksKey: boolean) => (asksKey && isRevoked ? null : first)
  const watch = async () => {
    for await (const _ of progressEvents(
      { first, readJob, toEvent: () => ({}) },
      new AbortController().signal,
    ));
    hasEnded = true
  }
  void watch()
  await vi.advanceTimersByTimeAsync(later)
  isRevoked = true
  await vi.advanceTimersByTimeAsync(10_000)
  expect(hasEnded).toBe(true)
})
