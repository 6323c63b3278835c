const LIST = `SELECT '[' || group_concat(record) || ']' AS list
  FROM (SELECT record FROM medical_tests WHERE clinic_id = ?1 ORDER BY seq LIMIT 1000)`

/** The list of GET /tests as SQLite puts it together: no row is parsed into an object. */
export default {
  async fetch(request, env) {
    const clinicId = new URL(request.url).searchParams.get('clinic_id')
    const list = await env.DB.prepare(LIST).bind(clinicId).first('list')
    return new Response(list, { headers: { 'Content-Type': 'application/json' } })
  },
}
