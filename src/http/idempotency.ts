import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { sha256 } from '../lib/crypto'
import { logFailure } from '../lib/log'
import { SECOND_MS } from '../lib/time'
import { type Claim, keyReused, once } from '../once'
import { Problem } from '../problem'
import { invalid } from './failure'

const KEY = /^[\x21-\x7e]{1,255}$/
const KEY_FAULT = { field: 'Idempotency-Key', rule: 'idempotency_key' }

/** KV refuses a shorter life. */
const KV_TTL_MIN_SECONDS = 60

interface KeptReply {
  fingerprint: string
  status: number
  contentType: string
  body: string
}

/**
 * The caller's key: the header, or `idempotency_key` in the body, which means the same. Null where there is
 * none.
 */
export function idempotencyKey(c: Context<App>, fieldOfBody?: string): string | null {
  const header = c.req.header('Idempotency-Key')?.trim() || undefined
  if (header && fieldOfBody && header !== fieldOfBody)
    throw invalid([{ ...KEY_FAULT, message: 'Idempotency-Key and idempotency_key must be equal' }])
  const key = header ?? fieldOfBody ?? null
  if (key !== null && !KEY.test(key))
    throw invalid([{ ...KEY_FAULT, message: 'Idempotency-Key must be 1 to 255 visible ASCII characters' }])
  return key
}

/**
 * Gives the action its `once`: which operation this request is. `input` is validated, so that spelling is no
 * matter.
 */
export function identify(c: Context<App>, key: string | null, input: unknown): void {
  const { ctx } = c.var
  const fingerprint = key === null ? '' : fingerprintOf(c, input)
  c.set('ctx', { ...ctx, once: once(ctx, { key, fingerprint }) })
}

export const fingerprintOf = (c: Context<App>, input: unknown): string =>
  sha256(JSON.stringify([c.req.method, c.req.path, input]))

/** For routes whose work is too large to be asked for twice by mistake. */
export function requiredKey(c: Context<App>): string {
  const key = idempotencyKey(c)
  if (key === null)
    throw new Problem('idempotency_key_required', 'Send an Idempotency-Key header, any text of your own')
  return key
}

/**
 * For routes whose reply holds ids and statuses only: KV answers a repeated key with the first reply, byte
 * for byte. KV is eventually consistent and may be out of reach, so a miss means nothing: the action then
 * finds the key in D1.
 */
export const replay = createMiddleware<App>(async (c, next) => {
  const { key, fingerprint } = c.var.ctx.once
  if (key === null) return next()
  const kept = await recall(c, key)
  if (kept && kept.fingerprint !== fingerprint) throw keyReused()
  if (kept) return replayed(kept)
  await next()
  if (isFinal(c)) keepReply(c, key)
})

/**
 * As `replay`, for an upload: what it is shows only in the digest of its file. `inputOf` reads the body, and
 * only where KV knows the key; otherwise the action reads it, once, and gives the request its `once`.
 */
export const replayUpload = (inputOf: (c: Context<App>) => Promise<unknown>) =>
  createMiddleware<App>(async (c, next) => {
    const key = requiredKey(c)
    const kept = await recall(c, key)
    if (kept && kept.fingerprint !== fingerprintOf(c, await inputOf(c))) throw keyReused()
    if (kept) return replayed(kept)
    await next()
    if (c.res.ok) keepReply(c, key)
  })

const replayed = ({ body, status, contentType }: KeptReply): Response =>
  new Response(body || null, {
    status,
    headers: { 'Content-Type': contentType, 'Idempotency-Replayed': 'true' },
  })

/** The kept reply, or null: KV only saves work, so its failure is no failure of the request. */
const recall = (c: Context<App>, key: string): Promise<KeptReply | null> =>
  c.env.REPLIES.get<KeptReply>(replyName(c, key), 'json').catch(() => null)

/**
 * Only the reply of the request that claimed the key is kept. A replayed one is as old as its key, and kept
 * from now on it would outlive the key. A dry run claims no key: its reply is true of one moment only.
 */
function keepReply(c: Context<App>, key: string): void {
  const { claim, ctx } = c.var
  if (claim && !claim.replayed) ctx.later(keep(c, key, claim))
}

/** A failure costs the next retry a look into D1. */
async function keep(c: Context<App>, key: string, claim: Claim): Promise<void> {
  const reply = c.res.clone()
  const { fingerprint, claimedAt, expiresAt } = claim
  const kept: KeptReply = {
    fingerprint,
    status: reply.status,
    contentType: reply.headers.get('Content-Type') ?? '',
    body: await reply.text(),
  }
  const ttlSeconds = Math.ceil((expiresAt - claimedAt) / SECOND_MS)
  const options = { expirationTtl: Math.max(ttlSeconds, KV_TTL_MIN_SECONDS) }
  await c.env.REPLIES.put(replyName(c, key), JSON.stringify(kept), options).catch(notKept)
}

const notKept = (error: unknown) => logFailure('reply_not_kept', error)

const replyName = (c: Context<App>, key: string) =>
  `reply:${sha256(JSON.stringify([c.var.ctx.clinic.id, key]))}`

/** A success, or a refusal by the owner of the fact. */
const isFinal = (c: Context<App>): boolean => (c.error instanceof Problem ? c.error.isFinal : c.res.ok)
