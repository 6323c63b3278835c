// Sends what a test asks for to its queue, and does with each message what the message says. What was delivered is
// kept in D1, so that it outlives the process.
const TABLE =
  'CREATE TABLE IF NOT EXISTS delivered (id TEXT, name TEXT, attempts INTEGER, size INTEGER, at INTEGER)'
const INSERT = 'INSERT INTO delivered VALUES (?, ?, ?, ?, ?)'

export default {
  async fetch(request, env) {
    await env.DB.prepare(TABLE).run()
    if (request.method === 'GET') return Response.json(await env.QUEUE.metrics())
    const { way, ...asked } = await request.json()
    try {
      if (way === 'send') await env.QUEUE.send(asked.body, asked.options)
      else if (way === 'sendBatch') await env.QUEUE.sendBatch(asked.messages, asked.options)
      else
        return Response.json((await env.DB.prepare('SELECT * FROM delivered ORDER BY rowid').all()).results)
      return Response.json({ answer: 'sent' })
    } catch (error) {
      return Response.json({ error: error.message })
    }
  },

  async queue(batch, env) {
    const rows = batch.messages.map(({ id, body, attempts }) =>
      env.DB.prepare(INSERT).bind(id, body.name ?? String(body), attempts, batch.messages.length, Date.now()),
    )
    await env.DB.batch(rows)
    for (const message of batch.messages) {
      const { fails = 0, delaySeconds, takesMs } = message.body
      if (takesMs) await scheduler.wait(takesMs)
      if (message.body.throws) throw new Error('The consumer has failed')
      if (message.attempts <= fails) message.retry({ delaySeconds })
      else message.ack()
    }
  },
}
