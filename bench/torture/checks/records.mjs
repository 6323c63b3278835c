import { tally } from './facts.mjs'

// What D1 owns: records, imports, and the audit of both.

export async function checkRecords(world, rack) {
  const tables = {
    patient: 'SELECT clinic_id, id FROM patients WHERE op_id NOT IN (SELECT id FROM imports)',
    doctor: 'SELECT clinic_id, id FROM doctors',
    'medical test': 'SELECT owner_id AS clinic_id, test_id AS id FROM medical_tests',
    event: 'SELECT clinic_id, number AS id FROM webhook_events',
    import: 'SELECT clinic_id, id FROM imports',
  }
  for (const [what, sql] of Object.entries(tables)) {
    const found = tally((await rack.select(sql)).map(({ clinic_id, id }) => `${clinic_id} ${id}`))
    const expected = new Set(world.all(what).map(({ clinic, id }) => `${clinic.id} ${id}`))
    for (const id of expected)
      if (!found.has(id)) world.breaks('no acknowledged write lost', `${what} ${id} is not in D1`)
    for (const [id, count] of found)
      if (!expected.has(id) || count > 1)
        world.breaks('no effect twice', `${what} ${id}: ${count} in D1, ${expected.has(id)}`)
  }
  await checkContents(world, rack)
}

/** Each stored record is what the client sent, with its newest change. */
async function checkContents(world, rack) {
  const contents = {
    patient: 'SELECT clinic_id AS clinic, id, name, phone, age FROM patients',
    doctor: 'SELECT clinic_id AS clinic, id, name, code, specialty, capacity FROM doctors',
    'medical test': `SELECT owner_id AS clinic, test_id AS id, clinic_id, record->>'patient_id' AS patient_id,
      record->>'test_type' AS test_type, record->>'result' AS result FROM medical_tests`,
    event: `SELECT clinic_id AS clinic, number AS id, event_type, appointment_id, patient_id
      FROM webhook_events`,
  }
  for (const [what, sql] of Object.entries(contents)) {
    const rows = new Map((await rack.select(sql)).map((row) => [`${row.clinic} ${row.id}`, row]))
    for (const { clinic, id, wanted } of world.all(what)) {
      const { clinic: _, id: __, ...stored } = rows.get(`${clinic.id} ${id}`) ?? {}
      const changed = Object.entries(stored).filter(([field, value]) => wanted[field] !== value)
      if (changed.length > 0)
        world.breaks('no acknowledged write lost', `${what} ${id}: ${JSON.stringify(changed)}`)
    }
  }
}

/** Every job has ended, and its totals are those of its rows and of its records. */
export async function checkImports(world, rack) {
  const jobs = await rack.select(`
    SELECT i.id, i.kind, i.state, i.total_rows AS total,
      (SELECT coalesce(sum(created), 0) FROM import_chunks c WHERE c.job_id = i.id) AS created,
      (SELECT coalesce(sum(failed), 0) FROM import_chunks c WHERE c.job_id = i.id) AS failed,
      (SELECT count(*) FROM import_chunks c WHERE c.job_id = i.id AND c.state = 'pending') AS pending,
      (SELECT coalesce(max(attempts), 0) FROM import_chunks c WHERE c.job_id = i.id AND c.state = 'pending')
        AS attempts,
      CASE i.kind WHEN 'patients' THEN (SELECT count(*) FROM patients p WHERE p.op_id = i.id)
        WHEN 'tests' THEN (SELECT count(*) FROM medical_tests m WHERE m.owner_id = i.clinic_id
          AND m.op_id BETWEEN i.id || '-' AND i.id || '-9999999')
        ELSE (SELECT count(*) FROM hospitals h WHERE h.clinic_id = i.clinic_id AND h.batch_id = i.batch_id)
        END AS records,
      (SELECT count(*) FROM staged_rows r WHERE r.job_id = i.id AND r.status = 'created') AS rows_created,
      (SELECT count(*) FROM staged_rows r WHERE r.job_id = i.id AND r.status = 'failed') AS rows_failed
    FROM imports i`)
  const known = new Map(world.all('import').map((job) => [job.id, job]))
  for (const job of jobs) {
    const asked = known.get(job.id)
    if (asked) checkTotals(world, job, asked)
    if (asked && !endsOf(asked, job).includes(job.state))
      world.breaks('every job ends', `${JSON.stringify(job)}, ${asked.cancels} times cancelled`)
  }
  const strays =
    await rack.select(`SELECT clinic_id, batch_id, count(*) AS count FROM hospitals h WHERE NOT EXISTS
    (SELECT 1 FROM imports i WHERE i.clinic_id = h.clinic_id AND i.batch_id = h.batch_id) GROUP BY 1, 2`)
  for (const stray of strays)
    world.breaks('totals are exact', `hospitals of no job: ${JSON.stringify(stray)}`)
}

/** A job may give up a chunk after this many failed attempts. */
const ATTEMPTS_MAX = 5

function endsOf({ cancels, resumes }, { attempts }) {
  if (cancels > resumes) return ['cancelled']
  return attempts >= ATTEMPTS_MAX ? ['completed', 'failed'] : ['completed']
}

function checkTotals(world, job, { unique, failing }) {
  const { state, total, created, failed, pending, records, rows_created, rows_failed } = job
  const isRight =
    total === unique + failing &&
    created === records &&
    created === rows_created &&
    failed === rows_failed &&
    (state === 'completed'
      ? created === unique && failed === failing && pending === 0
      : created <= unique && failed <= failing)
  if (!isRight) world.breaks('totals are exact', `${JSON.stringify(job)} of ${unique} + ${failing} rows`)
}

/** Every write has one row in the audit, and the audit has no other rows. */
export async function checkAudit(world, rack) {
  const rows = await rack.select('SELECT clinic_id, action, subject FROM audit')
  const found = tally(rows.map(({ clinic_id, action, subject }) => `${action} ${clinic_id} ${subject}`))
  const expected = new Map()
  const add = (action, { clinic, id }, count = 1) => {
    if (count > 0) expected.set(`${action} ${clinic.id} ${id}`, count)
  }
  for (const patient of world.all('patient')) {
    add('patient.registered', patient)
    add('patient.changed', patient, patient.changes)
  }
  for (const patient of world.all('erased patient')) {
    add('patient.registered', patient)
    add('patient.erased', patient)
  }
  for (const doctor of world.all('doctor')) {
    add('doctor.added', doctor)
    add('doctor.changed', doctor, doctor.changes.length)
  }
  for (const test of world.all('medical test')) add('medical_test.stored', test)
  for (const event of world.all('event')) add('webhook_event.received', event)
  for (const job of world.all('import')) {
    add('import.accepted', job)
    add('import.cancelled', job, job.cancels)
    add('import.resumed', job, job.resumes)
  }
  for (const leave of world.all('leave')) {
    add('leave.declared', leave)
    add('leave.paused', leave, leave.pauses)
    add('leave.resumed', leave, leave.resumes)
    add('leave.cancelled', leave, leave.cancels)
  }
  for (const closing of world.all('closing')) {
    add('clinic.closed', closing)
    add('clinic.opened_again', closing, Number(closing.isOver))
  }
  const times = (what) =>
    [...Map.groupBy(world.all(what), ({ id }) => id).values()].map((facts) => [facts[0], facts.length])
  for (const [merge, count] of times('merge')) add('patient.merged', merge, count)
  for (const [undone, count] of times('undone merge')) add('patient.unmerged', undone, count)
  for (const [retired, count] of times('retirement')) add('doctor.retired', retired, count)
  for (const [reinstated, count] of times('reinstatement')) add('doctor.reinstated', reinstated, count)
  for (const [row, count] of expected)
    if (found.get(row) !== count)
      world.breaks('audit = effects', `${row}: ${found.get(row) ?? 0} rows, ${count} effects`)
  // An upload that the queue refused leaves two rows: import.accepted and import.withdrawn.
  const jobs = new Set(world.all('import').map(({ clinic, id }) => `${clinic.id} ${id}`))
  const withdrawn = (job) =>
    !jobs.has(job) &&
    ['import.accepted', 'import.withdrawn'].every((action) => found.get(`${action} ${job}`) === 1)
  for (const { clinic_id, action, subject } of rows) {
    const isOfImport = ['import.accepted', 'import.withdrawn'].includes(action)
    const isKnown = expected.has(`${action} ${clinic_id} ${subject}`)
    if (!isKnown && !(isOfImport && withdrawn(`${clinic_id} ${subject}`)))
      world.breaks('audit = effects', `${action} ${subject} without an effect`)
  }
}
