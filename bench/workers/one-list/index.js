const LIST = `SELECT '[' || group_concat(json_object(
    'test_id', test_id, 'patient_id', patient_id, 'clinic_id', clinic_id, 'test_type', test_type,
    'result', result, 'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch'))) || ']' AS list
  FROM (SELECT * FROM medical_tests WHERE clinic_id = ?1 ORDER BY seq LIMIT 1000)`

/** The list of GET /tests as SQLite writes it: no row is parsed into an object. */
export default {
  async fetch(request, env) {
    const clinicId = new URL(request.url).searchParams.get('clinic_id')
    const list = await env.DB.prepare(LIST).bind(clinicId).first('list')
    return new Response(list, { headers: { 'Content-Type': 'application/json' } })
  },
}
