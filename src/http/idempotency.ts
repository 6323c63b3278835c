import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { sha256 } from '../lib/crypto'
import { logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { type Claim, type Fingerprint, matches, NO_FINGERPRINT, once } from '../once'
import { keyReused, Problem } from '../problem'
import { invalid } from './failure'
import { fingerprintOf } from './fingerprint'
import { DAY_VERSION, toDayVersion } from './input/day-version'
import type { Fields } from './input/fields'

const KEY_CHARACTERS_MAX = 255
const HEADER_KEY = /^[\x21-\x7e]{1,255}$/
/** No control or format character but joiners, which emoji need; no line separator, no lone surrogate. */
const PRINTABLE = /^(?:[\u200c\u200d]|[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])*$/u
const VISIBLE = /[^\s\u200c\u200d]/
const RULE = 'idempotency_key'

/** KV refuses a shorter TTL. */
const KV_TTL_MIN_SECONDS = 60

interface StoredReply {
  fingerprint: string
  /** When the claim of the key ends, in epoch milliseconds; absent in replies of an earlier version. */
  expiresAt?: number
  status: number
  contentType: string
  body: string
  /** The header X-Day-Version. */
  day?: string
}

/** The caller's key: the header, or `idempotency_key` in the body, which means the same. Null if absent. */
export function idempotencyKey(c: Context<App>, fieldOfBody?: string): string | null {
  const header = c.req.header('Idempotency-Key')?.trim() || null
  const field = fieldOfBody || null
  if (header !== null && !HEADER_KEY.test(header)) throw badKey('Idempotency-Key', `must be ${KEY_RULE}`)
  if (field !== null && !isKey(field)) throw badKey('idempotency_key', `must be ${FIELD_RULE}`)
  if (header !== null && field !== null && header !== field)
    throw badKey('Idempotency-Key', 'and idempotency_key must be equal; send one of them')
  return header ?? field
}

const KEY_RULE = `1 to ${KEY_CHARACTERS_MAX} visible ASCII characters`
const FIELD_RULE = `1 to ${KEY_CHARACTERS_MAX} printable characters, and not only spaces`

const isKey = (text: string): boolean =>
  [...text].length <= KEY_CHARACTERS_MAX && PRINTABLE.test(text) && VISIBLE.test(text)

const badKey = (field: string, sentence: string) =>
  invalid([{ field, rule: RULE, message: `${field} ${sentence}` }])

/** Gives the action its `once`. `input` is parsed, so that two spellings of it have one fingerprint. */
export function prepareOnce(c: Context<App>, key: string | null, input: unknown, fields: Fields): void {
  const { ctx } = c.var
  const fingerprint = key === null ? NO_FINGERPRINT : fingerprintOf(c.req, input, fields)
  c.set('ctx', { ...ctx, once: once(ctx, { key, fingerprint }) })
}

/** For routes whose work a retry must not start a second time. */
export function requiredKey(c: Context<App>): string {
  const key = idempotencyKey(c)
  if (key === null)
    throw new Problem(
      'idempotency_key_required',
      `Send an Idempotency-Key header: ${KEY_RULE} of your choice`,
    )
  return key
}

/**
 * For routes whose reply contains only ids and statuses: KV answers a repeated key with the first reply, byte
 * for byte. KV is eventually consistent and may not be reachable, so a miss proves nothing, and a key that
 * was never written is its slowest read: the action starts at the same time, and the first to know answers.
 */
export const replay = replaying((body) => body)

/**
 * As `replay`, for a reply that repeats a field of the request: KV keeps the reply without it, and a retry,
 * which has the same fingerprint, says it again. So KV has nothing that an erasure could not find there.
 */
export const replayWithout = (field: string) =>
  replaying((body, c) => {
    const input = c.req.valid('json' as never) as Record<string, unknown>
    const told = JSON.parse(body) as Record<string, unknown>
    if (!(field in told)) return body
    const turned = JSON.stringify({ ...told, [field]: told[field] === HIDDEN ? input[field] : HIDDEN })
    return body.endsWith('\n') ? `${turned}\n` : turned
  })

const HIDDEN = null

/** `turn` makes of a reply what KV keeps, and of what KV keeps the reply. */
function replaying(turn: (body: string, c: Context<App>) => string) {
  return createMiddleware<App>(async (c, next) => {
    const { key } = c.var.ctx.once
    if (key === null) return next()
    const kept = findReply(c, key).then((reply) => reply && { ...reply, body: turn(reply.body, c) })
    const acted = next().then(() => null)
    const first = await Promise.race([kept.then((reply) => reply ?? acted), acted])
    if (first) {
      // It finds that the key is claimed, and changes nothing.
      c.var.ctx.later(acted)
      return replayed(c, first)
    }
    if (isFinal(c)) keepReply(c, key, (body) => turn(body, c))
    else if (c.res.status >= 500) await replaceBy(c, await withTimeout(kept, KV_MS_MAX).catch(() => null))
  })
}

/** Longer than this, a caller whose action has failed does not wait for KV. */
const KV_MS_MAX = 200

/** The first reply instead of the failure of a retry. */
async function replaceBy(c: Context<App>, reply: StoredReply | null): Promise<void> {
  if (!reply) return
  const instead = replayed(c, reply)
  c.res = undefined
  c.res = instead
  c.set('problem', undefined)
}

/**
 * As `replay`, for an upload, whose fingerprint needs the digest of its file. `read` reads the body only
 * if KV knows the key; otherwise the action reads the body, once, and prepares its `once` itself.
 */
export const replayUpload = (read: (c: Context<App>) => Promise<Fingerprint>) =>
  createMiddleware<App>(async (c, next) => {
    const key = requiredKey(c)
    const kept = await findReply(c, key)
    if (kept) return replayed(c, kept, await read(c))
    await next()
    if (c.res.ok) keepReply(c, key)
  })

function replayed(c: Context<App>, reply: StoredReply, asked = c.var.ctx.once.fingerprint): Response {
  const { fingerprint, body, status, contentType, day } = reply
  if (!matches(asked, fingerprint)) throw keyReused()
  return new Response(body || null, {
    status,
    headers: {
      'Content-Type': contentType,
      'Idempotency-Replayed': 'true',
      ...(day !== undefined && { [DAY_VERSION]: day }),
    },
  })
}

/**
 * The stored reply, or null: KV only saves work, so a failure of KV does not fail the request. Shortly before
 * its end a reply no longer counts, or it could outlive the claim of its key.
 */
const findReply = (c: Context<App>, key: string): Promise<StoredReply | null> =>
  c.env.REPLIES.get<StoredReply>(replyName(c, key), 'json').then(
    (reply) => (reply && c.var.ctx.now < (reply.expiresAt ?? Infinity) - ENDS_EARLY_MS ? reply : null),
    () => null,
  )

const ENDS_EARLY_MS = 5 * SECOND_MS

/**
 * Keeps only the reply of the request that claimed the key. A replayed reply would start a new TTL and so
 * outlive its key. A dry run claims no key, because its reply is true at that moment only.
 */
function keepReply(c: Context<App>, key: string, turn = (body: string) => body): void {
  const { claim, ctx } = c.var
  if (claim && !claim.replayed) ctx.later(storeReply(c, key, claim, turn))
}

/** If this fails, the next retry has to ask D1. */
async function storeReply(
  c: Context<App>,
  key: string,
  claim: Claim,
  turn: (body: string) => string,
): Promise<void> {
  const reply = c.res.clone()
  const day = c.get('day')
  const { fingerprint, claimedAt, expiresAt } = claim
  const stored: StoredReply = {
    fingerprint,
    expiresAt,
    status: reply.status,
    contentType: reply.headers.get('Content-Type') ?? '',
    body: turn(await reply.text()),
    ...(day && { day: toDayVersion(day) }),
  }
  const ttlSeconds = Math.ceil((expiresAt - claimedAt) / SECOND_MS)
  const options = { expirationTtl: Math.max(ttlSeconds, KV_TTL_MIN_SECONDS) }
  await c.env.REPLIES.put(replyName(c, key), JSON.stringify(stored), options).catch(logNotKept)
}

const logNotKept = (error: unknown) => logFailure('reply_not_kept', error)

const replyName = (c: Context<App>, key: string) =>
  `reply:${sha256(JSON.stringify([c.var.ctx.clinic.id, key]))}`

/** Whether a retry must get this reply: a success, or a refusal that the owner of the fact decided. */
const isFinal = (c: Context<App>): boolean => (c.error instanceof Problem ? c.error.isFinal : c.res.ok)
