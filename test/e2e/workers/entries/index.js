// Does what a test asks with its KV namespace.
const WAYS = {
  put: (kv, { key, value, options }) => kv.put(key, value, options),
  get: (kv, { key, type }) => kv.get(key, type),
  getMany: (kv, { keys, type }) => kv.get(keys, type).then((found) => Object.fromEntries(found)),
  getWithMetadata: (kv, { key }) => kv.getWithMetadata(key),
  delete: (kv, { key }) => kv.delete(key),
  list: (kv, { options }) => kv.list(options),
  /** All keys, page by page. */
  async listAll(kv, { options }) {
    const [pages, names] = [[], []]
    for (let cursor; pages.length === 0 || cursor !== undefined; ) {
      const page = await kv.list({ ...options, cursor })
      pages.push(page.keys.length)
      names.push(...page.keys.map(({ name }) => name))
      cursor = page.list_complete ? undefined : page.cursor
    }
    return { pages, names }
  },
  size: async (kv, { key }) => (await kv.get(key, 'arrayBuffer'))?.byteLength ?? null,
}

export default {
  async fetch(request, env) {
    if (request.method === 'GET') return new Response('ready')
    const { way, ...asked } = await request.json()
    if (asked.times) asked.value = asked.value.repeat(asked.times)
    try {
      return Response.json({ answer: (await WAYS[way](env.KV, asked)) ?? null })
    } catch (error) {
      return Response.json({ error: error.message })
    }
  },
}
