import { DurableObject } from 'cloudflare:workers'
import { log, logFailure } from '../lib/log'
import type { Delivered, Verdict } from './queue-consumer'
import { type ContentType, isUnsendable, messagesIn, type Sent, type Unsendable } from './queue-protocol'

/**
 * A queue on one machine: the protocol of a queue's binding over the SQLite database of one object.
 * Messages are delivered at least once, in batches, one batch at a time. What the consumer asks for again
 * is delivered again; after the last try a message is kept as dead, and a line is logged.
 */

/** Wakes the queue after a crash, when nothing else does. */
const WAKE_AFTER_MS = 5_000

/** As long as Cloudflare lets a consumer work on a batch. */
const DELIVERY_MS_MAX = 900_000

/** Dead messages that are kept: the newest. */
const DEAD_MAX = 10_000

const TABLE = `CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL,
  sent_at INTEGER NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER NOT NULL, is_dead INTEGER NOT NULL)`
const DUE_INDEX = 'CREATE INDEX IF NOT EXISTS due ON messages (is_dead, due_at, seq)'
const ID_INDEX = 'CREATE UNIQUE INDEX IF NOT EXISTS ids ON messages (id)'
const ADD = `INSERT INTO messages (id, content_type, body, sent_at, attempts, due_at, is_dead)
  VALUES (?, ?, ?, ?, 0, ?, 0)`
const DUE = `SELECT id, content_type, body, sent_at, attempts FROM messages
  WHERE is_dead = 0 AND due_at <= ? ORDER BY due_at, seq LIMIT ?`
const NEXT_DUE = 'SELECT min(due_at) AS due_at FROM messages WHERE is_dead = 0'
const REMOVE = 'DELETE FROM messages WHERE id = ?'
const AGAIN = 'UPDATE messages SET attempts = ?, due_at = ?, is_dead = ? WHERE id = ?'
const OLD_DEAD = `DELETE FROM messages WHERE is_dead = 1 AND seq <=
  (SELECT seq FROM messages WHERE is_dead = 1 ORDER BY seq DESC LIMIT 1 OFFSET ${DEAD_MAX})`
const METRICS = `SELECT count(*) AS count, coalesce(sum(length(body)), 0) AS bytes, min(sent_at) AS oldest
  FROM messages WHERE is_dead = 0`

/** What wrangler.toml says of the queue's consumer. */
interface Settings {
  queue: string
  batchSize: number
  batchTimeoutSeconds: number
  retries: number
  retryDelaySeconds: number
}

interface Bindings {
  SETTINGS: Settings
  CONSUMER: { deliver(queue: string, messages: Delivered[]): Promise<Verdict> }
}

interface Row extends Record<string, SqlStorageValue> {
  id: string
  content_type: ContentType
  body: ArrayBuffer
  sent_at: number
  attempts: number
}

export class QueueObject extends DurableObject<Bindings> {
  readonly #sql = this.ctx.storage.sql
  #isDelivering = false

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    for (const statement of [TABLE, DUE_INDEX, ID_INDEX]) this.#sql.exec(statement)
  }

  override async fetch(request: Request): Promise<Response> {
    if (request.method === 'GET') return Response.json(this.#metrics())
    const read = await messagesIn(request)
    if (isUnsendable(read)) return refused(read)
    await this.#add(read)
    this.ctx.waitUntil(this.#deliver())
    return Response.json({ metadata: { metrics: this.#metrics() } })
  }

  /** The alarm is set in the same transaction as the messages. */
  async #add(sent: Sent[]): Promise<void> {
    const now = Date.now()
    for (const { contentType, body, delaySeconds } of sent)
      this.#sql.exec(ADD, crypto.randomUUID(), contentType, body, now, now + delaySeconds * 1_000)
    await this.ctx.storage.setAlarm(now + WAKE_AFTER_MS)
  }

  /** Delivers what is due, until nothing is, and sets the alarm for what is due later. */
  async #deliver(): Promise<void> {
    if (this.#isDelivering) return
    this.#isDelivering = true
    try {
      for (let batch = await this.#due(); batch.length > 0; batch = await this.#due())
        this.#settle(batch, await this.#verdict(batch))
    } finally {
      this.#isDelivering = false
    }
    const { due_at } = this.#sql.exec<{ due_at: number | null }>(NEXT_DUE).one()
    if (due_at === null) await this.ctx.storage.deleteAlarm()
    else await this.ctx.storage.setAlarm(due_at)
  }

  async #due(): Promise<Delivered[]> {
    const { batchSize, batchTimeoutSeconds } = this.env.SETTINGS
    const found = () => this.#sql.exec<Row>(DUE, Date.now(), batchSize).toArray()
    const rows = found()
    const isWaiting = batchTimeoutSeconds > 0 && rows.length > 0 && rows.length < batchSize
    if (isWaiting) await scheduler.wait(batchTimeoutSeconds * 1_000)
    return (isWaiting ? found() : rows).map(({ id, content_type, body, sent_at, attempts }) => ({
      id,
      contentType: content_type,
      body: new Uint8Array(body),
      sentAt: sent_at,
      attempts: attempts + 1,
    }))
  }

  /** A consumer that cannot be reached has had the batch: it may have done a part of it. */
  async #verdict(batch: Delivered[]): Promise<Verdict> {
    const ended = new AbortController()
    try {
      const delivered = this.env.CONSUMER.deliver(this.env.SETTINGS.queue, batch)
      return await Promise.race([delivered, tooLong(ended.signal)])
    } catch (error) {
      logFailure('queue.not_delivered', error, { queue: this.env.SETTINGS.queue })
      return { done: [], delays: {} }
    } finally {
      ended.abort()
    }
  }

  #settle(batch: Delivered[], { done, delays }: Verdict): void {
    const { queue, retries, retryDelaySeconds } = this.env.SETTINGS
    const finished = new Set(done)
    const now = Date.now()
    for (const { id, attempts } of batch) {
      if (finished.has(id)) {
        this.#sql.exec(REMOVE, id)
        continue
      }
      const isDead = attempts > retries
      const delaySeconds = delays[id] ?? retryDelaySeconds
      this.#sql.exec(AGAIN, attempts, now + delaySeconds * 1_000, isDead ? 1 : 0, id)
      if (!isDead) continue
      this.#sql.exec(OLD_DEAD)
      log('queue.dead_letter', { queue, message: id, attempts })
    }
  }

  #metrics() {
    const { count, bytes, oldest } = this.#sql
      .exec<{ count: number; bytes: number; oldest: number | null }>(METRICS)
      .one()
    return { backlogCount: count, backlogBytes: bytes, oldestMessageTimestamp: oldest ?? 0 }
  }

  override async alarm(): Promise<void> {
    // While a delivery is under way, it sets the next alarm itself; a crash during it is over by then.
    await this.ctx.storage.setAlarm(Date.now() + WAKE_AFTER_MS)
    await this.#deliver()
  }
}

async function tooLong(signal: AbortSignal): Promise<never> {
  await scheduler.wait(DELIVERY_MS_MAX, { signal })
  throw new Error('The consumer did not end in time.')
}

/** The binding makes an error of these headers. */
const refused = ({ status, message }: Unsendable) =>
  new Response(message, {
    status,
    headers: { 'CF-Queues-Error-Code': String(status), 'CF-Queues-Error-Cause': message },
  })

/** The one queue of a binding. */
export default {
  fetch(request: Request, env: { QUEUES: DurableObjectNamespace; NAME: string }): Promise<Response> {
    return env.QUEUES.get(env.QUEUES.idFromName(env.NAME)).fetch(request)
  },
}
