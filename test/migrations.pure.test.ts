import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'

/** What migrations make of the rows that a database has already. */

const FILES = import.meta.glob<string>('../migrations/*.sql', {
  query: '?raw',
  import: 'default',
  eager: true,
})

const SCRIPTS = import.meta.glob<string>('../scripts/search-index/*.sql', {
  query: '?raw',
  import: 'default',
  eager: true,
})
const scriptOf = (name: string) => SCRIPTS[`../scripts/search-index/${name}.sql`] ?? ''

/** Applies the migrations before `name`, fills the tables, and applies the rest. */
function migrated(name: string, rows: string): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  for (const [file, text] of Object.entries(FILES).toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    if (file.includes(name)) database.exec(rows)
    for (const statement of text.split('--> statement-breakpoint')) database.exec(statement)
  }
  return database
}

const event = (clinic: string, id: string) => `
  INSERT INTO webhook_events (id, clinic_id, event_type, appointment_id, patient_id, timestamp, instant,
    received_at, request_id, op_id)
  VALUES ('${id}', '${clinic}', 'appointment.updated', '${id}', 'p', 't', 'i', 0, 'r', 'o');`

test('events received before have numbers in the order of receipt, in each clinic', () => {
  const rows = [event('one', 'z'), event('two', 'y'), event('one', 'a'), event('one', 'm'), event('two', 'b')]
  const database = migrated('old_clients', rows.join(''))
  database.exec(event('two', 'later'))
  const numbers = database.prepare('SELECT clinic_id, id, number FROM webhook_events ORDER BY 1, 3').all()
  expect(numbers.map((row) => Object.values(row).join(' '))).toEqual([
    'one z 1',
    'one a 2',
    'one m 3',
    'two y 1',
    'two b 2',
    'two later 3',
  ])
})

const appointment = (id: string, status: string) => `
  INSERT INTO appointments (id, clinic_id, doctor_id, patient_id, date, slot, status, created_at, updated_at, version)
  VALUES ('${id}', 'c', 'd', 'p', '2026-01-01', 1, '${status}', 1, 1, 2);`
const checkIn = (id: string, status: string) => `
  INSERT INTO check_ins VALUES ('i-${id}', 'c', 'd', '2026-01-01', '${id}', 1, '${status}', 5, 3);`

test('appointments copied before have the status that their check-in gives them', () => {
  const arrived = ['waiting', 'called', 'skipped', 'served']
  const rows = [
    ...arrived.map((status) => appointment(status, 'booked') + checkIn(status, status)),
    appointment('absent', 'booked'),
    appointment('cancelled', 'cancelled'),
    appointment('missing', 'no_show') + checkIn('missing', 'no_show'),
  ]
  const database = migrated('old_clients', rows.join(''))
  const found = database.prepare('SELECT id, status, updated_at FROM appointments').all()
  expect(Object.fromEntries(found.map(({ id, status, updated_at }) => [id, [status, updated_at]]))).toEqual({
    waiting: ['checked_in', 5],
    called: ['checked_in', 5],
    skipped: ['checked_in', 5],
    served: ['completed', 5],
    absent: ['booked', 1],
    cancelled: ['cancelled', 1],
    missing: ['no_show', 1],
  })
})

test('hospitals stored before are in the index of the search, each under its clinic', () => {
  const rows = ['one', 'two', 'three'].map(
    (clinic) => `
  INSERT INTO clinics VALUES ('${clinic}', 'C', 'UTC', 'US', 1, 'o');
  INSERT INTO hospitals (clinic_id, id, batch_id, name, address, folded, created_at)
  VALUES ('${clinic}', 'h', 'b', 'Harbour', 'Street', 'harbour of ${clinic}', 1);`,
  )
  const database = migrated('hospital_search', rows.join(''))
  const match = database.prepare(`SELECT h.clinic_id AS clinic FROM hospitals h WHERE h.rowid IN
    (SELECT rowid FROM hospitals_search WHERE hospitals_search MATCH ?)`)
  const clinicsWith = (trigrams: string) => match.all(trigrams).map(({ clinic }) => clinic)
  expect(clinicsWith('"har" AND "our"')).toEqual(['one', 'two', 'three'])
  expect(clinicsWith('"har" AND "two"')).toEqual(['two'])
  expect(clinicsWith(`"${String.fromCharCode(57_344 + 3, 57_344, 57_344)}" AND "har"`)).toEqual(['three'])
})

test('patients stored before stay who they are, and are marked as folded by the older rule', () => {
  const patient = `
  INSERT INTO patients (id, clinic_id, name, name_folded, phone, created_at, op_id)
  VALUES ('p', 'c', 'O’Brien', 'o’brien', '+12025550101', 1, 'o');`
  const [row] = migrated('names', patient).prepare('SELECT * FROM patients').all()
  expect(row).toMatchObject({ id: 'p', name_folded: 'o’brien', folding: 1, namesake: 0, gender_folded: null })
})

const PEOPLE = ['one', 'two'].map(
  (clinic) => `
  INSERT INTO clinics (id, name, time_zone, country, created_at, op_id)
  VALUES ('${clinic}', 'C', 'UTC', 'US', 1, 'o');
  INSERT INTO patients (id, clinic_id, name, name_folded, phone, created_at, op_id)
  VALUES ('ada ${clinic}', '${clinic}', 'Ada', 'ada of ${clinic}', '+12025550101', 1, 'o');`,
)

/** Who has a term in the index, in the order in which they were stored. */
const indexedAs = (database: DatabaseSync, term: string) =>
  database
    .prepare(`SELECT p.id FROM patients_search s CROSS JOIN patients p ON p.rowid = s.rowid
      WHERE patients_search MATCH ? ORDER BY s.rowid`)
    .all(`"${term}"`)
    .map(({ id }) => id)

test('patients stored before are in the index of the search, each under its clinic', () => {
  const database = migrated('patient_search', PEOPLE.join(''))
  expect(indexedAs(database, 'ada')).toEqual(['ada one', 'ada two'])
  expect(indexedAs(database, '\ufdd0tw')).toEqual(['ada two'])
  expect(indexedAs(database, '\ufdd1\u{f0002}\u{f0000}')).toEqual(['ada two'])
  expect(indexedAs(database, '\ufdd2\ufdd2\u{f0065}')).toEqual(['ada one', 'ada two'])
})

test('names stored before are found without their apostrophes, and in scripts without spaces from any character', () => {
  const rows = ["O''Brien", '李小明', 'Ada'].map(
    (name, n) => `INSERT INTO patients (id, clinic_id, name, name_folded, phone, created_at, op_id)
      VALUES ('p${n}', 'one', '${name}', lower('${name}'), '+1202555010${n}', 1, 'o');`,
  )
  const database = migrated('search_words', `${PEOPLE[0]}${rows.join('')}`)
  expect(['obr', "o'b", '\ufdd0小明', 'ada'].map((term) => indexedAs(database, term))).toEqual([
    ['p0'],
    ['p0'],
    ['p1'],
    ['ada one', 'p2'],
  ])
  database.exec(`UPDATE patients SET name_folded = 'bob ' || rowid`)
  for (const term of ['obr', "o'b", '\ufdd0小明', 'ada']) expect(indexedAs(database, term)).toEqual([])
})

test('the scripts for an export take the full-text indexes away, and make the same ones again', () => {
  const database = migrated('patient_search', PEOPLE.join(''))
  const schema = () => database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all()
  const before = schema()
  database.exec(scriptOf('drop'))
  expect(schema().filter(({ sql }) => /VIRTUAL/.test(String(sql)))).toEqual([])
  database.exec(`
    UPDATE patients SET name_folded = 'eve' WHERE clinic_id = 'one';
    INSERT INTO patients (id, clinic_id, name, name_folded, phone, created_at, op_id)
    VALUES ('bob', 'one', 'Bob', 'bob', '+12025550102', 1, 'o');`)
  database.exec(scriptOf('build'))
  expect(schema()).toEqual(before)
  expect(['ada', 'eve', 'bob'].map((term) => indexedAs(database, term))).toEqual([
    ['ada two'],
    ['ada one'],
    ['bob'],
  ])
})

test('keys and clinics stored before belong to no person, never expire, and have no settings', () => {
  const rows = `
  INSERT INTO clinics (id, name, time_zone, country, created_at, op_id) VALUES ('c', 'C', 'UTC', 'US', 1, 'o');
  INSERT INTO api_keys (id, clinic_id, name, scopes, secret_hash, created_at, op_id)
  VALUES ('k', 'c', 'k', '["*"]', 'h', 1, 'o');`
  const database = migrated('staff', rows)
  const [key] = database.prepare('SELECT * FROM api_keys').all()
  expect(key).toMatchObject({ scopes: '["*"]', staff_id: null, expires_at: null, revoked_at: null })
  const [clinic] = database.prepare('SELECT * FROM clinics').all()
  expect(clinic).toMatchObject({ settings: '{}', version: 1, change_op: null })
})
