// Runs what a test asks on its D1 database, in the way of the binding that the test names.
const WAYS = {
  all: (statement) => statement.all(),
  raw: (statement) => statement.raw({ columnNames: true }),
  first: (statement) => statement.first(),
  run: (statement) => statement.run(),
}

export default {
  async fetch(request, env) {
    if (request.method === 'GET') return new Response('ready')
    const { way, queries } = await request.json()
    const session = way === 'session' ? env.DB.withSession('first-primary') : env.DB
    const bind = ({ sql, params = [] }) => session.prepare(sql).bind(...params.map(boundOf))
    try {
      if (way === 'exec') return Response.json({ answer: await env.DB.exec(queries[0].sql) })
      if (way === 'batch') return Response.json({ answer: await env.DB.batch(queries.map(bind)) })
      if (way === 'session') {
        const answer = await bind(queries[0]).all()
        return Response.json({ answer, hasBookmark: session.getBookmark() !== null })
      }
      return Response.json({ answer: await WAYS[way](bind(queries[0])) })
    } catch (error) {
      return Response.json({ error: error.message, cause: error.cause?.message })
    }
  },
}

/** JSON has no blobs and no text of two megabytes that is worth sending. */
const boundOf = (value) =>
  value?.blob ? Uint8Array.from(value.blob) : value?.times ? value.text.repeat(value.times) : value
