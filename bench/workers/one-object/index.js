import { DurableObject } from 'cloudflare:workers'

const TABLE = `CREATE TABLE IF NOT EXISTS records
  (seq INTEGER PRIMARY KEY, test_id TEXT, patient_id TEXT, test_type TEXT, result TEXT, created_at INTEGER)`
const INSERT = 'INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?)'

export class Records extends DurableObject {
  constructor(state, env) {
    super(state, env)
    state.storage.sql.exec(TABLE)
  }

  store({ test_id, patient_id, test_type, result }) {
    this.ctx.storage.sql.exec(INSERT, test_id, patient_id, test_type, result, Date.now())
  }
}

/** Takes the body of POST /tests and stores a row of it, in one call of one object; or of the object of its day. */
export default {
  async fetch(request, env) {
    if (request.method === 'GET') return new Response('ready')
    const record = await request.json()
    await env.RECORDS.get(env.RECORDS.idFromName(record.day ?? 'all')).store(record)
    return Response.json({ status: 'success', test_id: record.test_id }, { status: 201 })
  },
}
