// Patients whose every word is a canary are erased: no file of the state has a canary any more, also not after the
// restore of a backup that was made before.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { eventually, startService } from './service.mjs'

const told = []

/** A word that stands nowhere else; the letter makes it start a word of a name. */
function canary(place) {
  const number = String(told.length + 1).padStart(2, '0')
  const word = `Kq${number}wv`
  told.push({ place, word })
  return word
}

function canaryPhone(place) {
  const word = `20255501${String(told.length + 1).padStart(2, '0')}`
  told.push({ place, word })
  return `+1${word}`
}

test('canaries', async (t) => {
  const service = await startService(t)
  const send = service.post
  const call = async (method, path, body, headers) => {
    const answer = await fetch(`${service.url()}${path}`, {
      method,
      headers: { Authorization: `Bearer ${service.key}`, ...headers },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
    }
  }
  let keys = 0
  const keyed = () => ({ 'Idempotency-Key': `key-${(keys += 1)}` })
  const expectStatus = (answer, ...statuses) => {
    assert.ok(statuses.includes(answer.status), JSON.stringify([answer.status, answer.body]))
    return answer.body
  }
  const doctor = expectStatus(
    await send('/api/v1/doctors', { name: 'Dr X', code: 'X-1', capacity: 20 }),
    201,
  ).id

  // 1 registered by POST
  const person = {
    name: `Greta ${canary('name')}`,
    phone: canaryPhone('phone'),
    email: `${canary('email').toLowerCase()}@example.com`,
    gender: canary('gender'),
    birth_date: '1931-02-07',
    language: `sv-x-${canary('language').toLowerCase()}`,
    notes: `${canary('notes')} window`,
    identifiers: [
      { system: 'mrn', value: canary('identifier') },
      { system: 'insurer', value: canary('identifier 2') },
    ],
  }
  told.push({ place: 'birth_date', word: '1931-02-07' })
  const first = expectStatus(await send('/api/v1/patients', person, keyed()), 201)
  const known = {
    ...person,
    email: `${canary('known email').toLowerCase()}@example.com`,
    notes: canary('known notes'),
    gender: canary('known gender'),
  }
  expectStatus(await send('/api/v1/patients', known, keyed()), 200)
  expectStatus(
    await send('/api/v1/patients', { ...person, name: canary('refused name'), identifiers: [] }, keyed()),
    409,
  )
  expectStatus(await send('/api/v1/patients', { ...person, phone: canary('bad phone') }, keyed()), 400)
  const mended = {
    name: `Greta ${canary('new name')} Longer`,
    phone: canaryPhone('new phone'),
    email: `${canary('new email').toLowerCase()}@example.com`,
    gender: canary('new gender'),
    language: `da-x-${canary('new language').toLowerCase()}`,
    notes: `${canary('new notes')} door\nand more lines of it`,
    identifiers: [
      { system: 'mrn', value: canary('new identifier') },
      { system: 'mrn', value: person.identifiers[0].value },
    ],
  }
  const { headers } = await call('GET', `/api/v1/patients/${first.id}`)
  expectStatus(
    await call('PATCH', `/api/v1/patients/${first.id}`, mended, {
      'If-Match': headers.get('ETag'),
      'Content-Type': 'application/json',
      ...keyed(),
    }),
    200,
  )
  for (const query of [
    `q=${told[0].word}`,
    `phone=${person.phone.slice(1)}`,
    `identifier=${mended.identifiers[0].value}`,
  ])
    expectStatus(await call('GET', `/api/v1/patients?${query}`), 200)
  expectStatus(await send('/api/v1/patients/search', { q: canary('search') }), 200)

  // files
  const bulk = async (path, type, text) => {
    const { job_id } = expectStatus(await call('POST', path, text, { 'Content-Type': type, ...keyed() }), 202)
    await eventually(
      () => service.get(`${path.split('?')[0]}/${job_id}`),
      ({ body }) => body.status === 'completed',
      20_000,
      'the import',
    )
    return job_id
  }
  const row = (what) => {
    const one = {
      name: `${canary(`${what} name`)} Bosse`,
      phone: canaryPhone(`${what} phone`),
      age: 44,
      gender: canary(`${what} gender`),
      email: `${canary(`${what} email`).toLowerCase()}@example.com`,
      language: `fi-x-${canary(`${what} language`).toLowerCase()}`,
      notes: `${canary(`${what} notes`)} hears badly`,
    }
    return one
  }
  const csvOf = (rows) =>
    ['name,phone,age,gender,email,language,notes', ...rows.map((one) => Object.values(one).join())].join('\n')
  const csvRow = row('csv')
  const others = Array.from({ length: 60 }, (_, n) => ({
    name: `Other ${n} Person`,
    phone: `+1 202 456 ${String(1000 + n)}`,
    age: 30,
    gender: 'female',
    email: `other${n}@example.com`,
    language: 'en',
    notes: 'nothing to say here',
  }))
  const rows = [
    ...others.slice(0, 30),
    csvRow,
    { ...csvRow, notes: canary('csv duplicate notes'), gender: canary('csv duplicate gender') },
    { ...csvRow, age: 1_000, notes: canary('csv bad notes'), email: canary('csv bad email') },
    ...others.slice(30),
  ]
  await bulk('/api/v1/patients/bulk?mode=partial', 'text/csv', csvOf(rows))
  await bulk(
    '/api/v1/patients/bulk?mode=partial',
    'text/csv',
    csvOf([{ ...csvRow, notes: canary('csv again notes') }]),
  )
  const ndRow = row('ndjson')
  await bulk(
    '/api/v1/patients/bulk?mode=partial',
    'application/x-ndjson',
    [...others, ndRow].map((one) => JSON.stringify(one)).join('\n'),
  )
  expectStatus(
    await call(
      'POST',
      '/api/v1/patients/bulk',
      csvOf([{ ...ndRow, age: 999, notes: canary('strict bad') }]),
      {
        'Content-Type': 'text/csv',
        ...keyed(),
      },
    ),
    422,
    400,
  )
  const found = async (phone) =>
    expectStatus(await call('GET', `/api/v1/patients?phone=${phone.slice(1)}`), 200)[0].id
  const [second, third] = [await found(csvRow.phone), await found(ndRow.phone)]

  // visits
  const [soon, later] = [dateIn(3), dateIn(5)]
  const visit = (patient_id, date, what) => ({
    patient_id,
    doctor_id: doctor,
    date,
    reason: `${canary(`${what} reason`)} hurts`,
    notes: `${canary(`${what} visit notes`)}`,
    allow_another: true,
  })
  const kept = expectStatus(await send('/api/v1/appointments', visit(first.id, soon, 'booked'), keyed()), 201)
  expectStatus(
    await call(
      'PATCH',
      `/api/v1/appointments/${kept.id}`,
      { reason: canary('new reason'), notes: canary('new visit notes') },
      {
        'Content-Type': 'application/json',
        ...keyed(),
      },
    ),
    200,
  )
  const moved = expectStatus(await send('/api/v1/appointments', visit(second, soon, 'moved'), keyed()), 201)
  expectStatus(await send(`/api/v1/appointments/${moved.id}/reschedule`, { date: later }, keyed()), 200)
  const cancelled = expectStatus(
    await send('/api/v1/appointments', visit(third, later, 'cancelled'), keyed()),
    201,
  )
  expectStatus(
    await send(`/api/v1/appointments/${cancelled.id}/cancel`, { reason: canary('cancel reason') }, keyed()),
    200,
  )
  const hold = expectStatus(
    await send('/api/v1/appointments/holds', { doctor_id: doctor, date: later, ttl_seconds: 60 }),
    201,
  )
  expectStatus(
    await send(
      '/api/v1/appointments',
      {
        patient_id: third,
        hold_id: hold.hold_id,
        reason: canary('held reason'),
        notes: canary('held notes'),
      },
      keyed(),
    ),
    201,
  )
  for (let n = 0; n < 12; n += 1)
    expectStatus(
      await send(
        '/api/v1/appointments',
        {
          patient_id: await found(others[n].phone.replaceAll(' ', '')),
          doctor_id: doctor,
          date: n % 2 ? soon : later,
          reason: `Other ${n}`,
        },
        keyed(),
      ),
      201,
    )
  const walked = expectStatus(
    await send(
      '/api/v1/checkins/walk-in',
      { patient_id: second, doctor_id: doctor, reason: canary('walk-in reason') },
      keyed(),
    ),
    201,
  )
  expectStatus(await send(`/api/v1/checkins/doctors/${doctor}/queue/next`, { room: '1' }, keyed()), 200)
  expectStatus(await send(`/api/v1/checkins/${walked.appointment_id}/serve`, {}, keyed()), 200)

  // tests and webhooks
  const mrn = person.identifiers[0].value
  const test_ = (n, what) => ({
    test_id: `t${n}`,
    patient_id: mrn,
    clinic_id: 'demo',
    test_type: 'blood',
    result: `${canary(what)} high`,
  })
  expectStatus(await send('/tests', test_(1, 'test result'), keyed()), 201)
  expectStatus(await send('/tests', { ...test_(2, 'test result by id'), patient_id: first.id }, keyed()), 201)
  const testRow = test_(3, 'csv test result')
  await bulk(
    '/api/v1/tests/bulk',
    'text/csv',
    `${Object.keys(testRow).join()}\n${Object.values(testRow).join()}`,
  )
  expectStatus(
    await send(
      '/webhook/appointments',
      {
        event_type: 'scheduled',
        appointment_id: 'ext-1',
        patient_id: mrn,
        timestamp: new Date().toISOString(),
        notes: canary('event notes'),
      },
      keyed(),
    ),
    200,
    201,
    202,
  )
  t.diagnostic(`${told.length} canaries`)

  for (const id of [first.id, second, third]) {
    const erased = await call('DELETE', `/api/v1/patients/${id}?cancel_ahead=true`, undefined, keyed())
    console.log(erased.status, JSON.stringify(erased.body))
  }
  const logs = service.printed()
  await service.stop()
  console.log('stopped')
  for (const file of filesIn(service.stateDir)) if (file.endsWith('.sqlite')) checkpoint(file)
  for (const file of filesIn(service.stateDir)) {
    const bytes = readFileSync(file).toString('latin1').toLowerCase()
    const hits = told.filter(({ word }) => bytes.includes(word.toLowerCase()))
    if (hits.length) {
      console.log(
        file.replace(service.stateDir, ''),
        hits
          .map(({ place, word }) => `${place}:${word}x${bytes.split(word.toLowerCase()).length - 1}`)
          .join(', '),
      )
    }
  }
  const left = told.filter(({ word }) => logs.toLowerCase().includes(word.toLowerCase()))
  console.log('logs', left)
  if (process.env.KEEP) {
    const { cpSync } = await import('node:fs')
    cpSync(service.stateDir, process.env.KEEP, { recursive: true })
  }
})

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

function checkpoint(file) {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

const dateIn = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
