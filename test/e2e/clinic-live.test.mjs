import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { today } from '../../scripts/demo.mjs'
import { onSocket, onStream } from './followers.mjs'
import { eventually, startService } from './service.mjs'

const ORIGIN = 'https://dashboard.example.com'
const TOLD_WITHIN_MS = 15_000
const PATIENTS = 12

test('the old dashboard in a browser of another origin: search, register, list, book, check in, and all of it live, also after a kill', async (t) => {
  const service = await startService(t, { CORS_ORIGINS: ORIGIN })
  const date = today()
  const ask = inBrowser(service)
  const doctor = (await ask('POST', '/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1' })).body
  const { body: opened } = await ask('POST', '/api/v1/ws/tickets', {})
  const screen = await dashboard(service.url(), opened.url)
  screen.say({ action: 'ping' })
  assert.equal((await screen.hears(({ type }) => type === 'pong')).type, 'pong')
  screen.say({ action: 'subscribe' })
  assert.match((await screen.hears(({ error }) => error)).error, /^Missing 'date' field/)
  screen.say({ action: 'subscribe', date })
  const empty = await screen.hears(({ type }) => type === 'snapshot')
  assert.deepEqual([empty.data.total_doctors, empty.data.doctors], [0, []])

  const phone = '+1 202 555 0177'
  const search = await ask('GET', `/api/v1/patients/search?phone=${encodeURIComponent(phone)}`)
  assert.equal(search.body, null)
  const patient = (await ask('POST', '/api/v1/patients', { name: 'Mary Jackson', phone, age: 40 })).body
  const listed = (await ask('GET', `/api/v1/doctors?date=${date}`)).body
  assert.ok(listed.some(({ id }) => id === doctor.id))
  const wanted = { patient_id: patient.id, doctor_id: doctor.id, date, time_slot: 10 }
  const booked = (await ask('POST', '/api/v1/appointments', wanted)).body
  assert.equal(booked.time_slot, 10)
  const shown = await screen.hears(({ type, data }) => type === 'update' && data.total_appointments === 1)
  assert.deepEqual(shown.data.doctors[0].appointments[0].patient, {
    ...{ id: patient.id, name: 'Mary Jackson', phone: '+12025550177', age: 40, gender: null },
  })
  await ask('POST', '/api/v1/checkins', { appointment_id: booked.id, patient_id: patient.id })
  await screen.hears(({ data }) => data?.doctors[0]?.appointments[0].queue?.status === 'waiting')
  screen.say({ action: 'unsubscribe' })
  await screen.hears(({ type }) => type === 'unsubscribed')

  await service.kill9()
  await service.start()
  const again = await dashboard(service.url(), opened.url)
  again.say({ action: 'subscribe', date })
  const after = await again.hears(({ type }) => type === 'snapshot')
  assert.equal(after.data.doctors[0].checked_in_count, 1)
  await ask('POST', `/api/v1/checkins/doctors/${doctor.id}/queue/next`, { room: '1' })
  await ask('POST', `/api/v1/checkins/${booked.id}/serve`, {})
  await again.hears(({ data }) => data?.doctors[0]?.appointments[0].status === 'completed')
  for (const one of [screen, again]) one.cut()
})

test('all doctors of a clinic in one stream: cut off and killed, who follows misses nothing and sees nothing twice', async (t) => {
  const service = await startService(t)
  const date = today()
  const [doctorIds, patientIds] = [[], []]
  for (const n of [1, 2, 3])
    doctorIds.push((await service.post('/api/v1/doctors', { name: `Doctor ${n}`, code: `D-${n}` })).body.id)
  for (let n = 0; n < PATIENTS; n += 1) {
    const patient = { name: `Patient Namerson ${n}`, phone: `+1 202 555 ${String(n).padStart(4, '0')}` }
    patientIds.push((await service.post('/api/v1/patients', patient)).body.id)
  }
  const followers = await Promise.all(
    [
      [onSocket, 'desk'],
      [onStream, 'board'],
    ].map(([connect, view]) => follower(service, connect, view, date)),
  )
  const comeAgain = () => Promise.all(followers.map((one) => one.comeAgain()))
  for (const [n, patient_id] of patientIds.entries()) {
    const connections = await comeAgain()
    for (const { seen } of followers) if (n === 0) await firstOf(seen)
    await service.post('/api/v1/checkins/walk-in', { patient_id, doctor_id: doctorIds[n % 3] })
    if (n % 4 === 0) await sleep(50 * n)
    if (n === 5) await service.kill9()
    for (const connection of connections) connection.cut()
    if (n === 5) await service.start()
  }
  const connections = await comeAgain()
  const logs = await Promise.all(
    doctorIds.map((id) => service.get(`/api/v1/doctors/${id}/days/${date}/events?limit=1000`)),
  )
  const count = logs.reduce((sum, { body }) => sum + body.length, 0)
  const [desk, board] = followers.map(({ seen }) => seen)
  for (const seen of [desk, board]) {
    const first = await firstOf(seen)
    assert.equal(first.doctors.length, 0)
    await eventually(
      () => seen.at(-1).seq,
      (seq) => seq === first.seq + count,
      TOLD_WITHIN_MS,
      `${count} events`,
    )
    assert.deepEqual(
      seen.map(({ type, seq }) => [type, seq]),
      [['snapshot', first.seq], ...Array.from({ length: count }, (_, n) => ['event', first.seq + n + 1])],
    )
  }
  const told = (id) =>
    desk.flatMap(({ doctor, day_seq, event }) => (doctor?.id === id ? [[day_seq, event]] : []))
  for (const [n, id] of doctorIds.entries())
    assert.deepEqual(
      told(id),
      logs[n].body.map(({ seq, type }) => [seq, type]),
    )
  assert.doesNotMatch(JSON.stringify(board), /Namerson/)
  const { body: days } = await service.get(`/api/v1/days?date=${date}`)
  const booked = days.filter(({ doctor_id }) => doctorIds.includes(doctor_id))
  assert.deepEqual(
    booked.map(({ figures }) => [figures.booked, figures.queue.waiting]),
    [
      [4, 4],
      [4, 4],
      [4, 4],
    ],
  )
  for (const connection of connections) connection.cut()
})

const firstOf = (seen) =>
  eventually(
    () => seen[0],
    (message) => message !== undefined,
    TOLD_WITHIN_MS,
    'the snapshot',
  )

/** As the page of another origin asks: after a preflight, and reading only what it is allowed to. */
const inBrowser = (service) => async (method, path, sent) => {
  const url = `${service.url()}${path}`
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      Origin: ORIGIN,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'authorization,content-type',
    },
  })
  assert.equal(preflight.headers.get('Access-Control-Allow-Origin'), ORIGIN)
  const answer = await fetch(url, {
    method,
    headers: {
      Origin: ORIGIN,
      Authorization: `Bearer ${service.key}`,
      'Content-Type': 'application/json',
    },
    body: sent && JSON.stringify(sent),
  })
  assert.equal(answer.headers.get('Access-Control-Allow-Origin'), ORIGIN)
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  return { body: await answer.json() }
}

/** The dashboard's page: a browser's own WebSocket, a ticket in its address and no key. */
async function dashboard(url, path) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`)
  const messages = []
  socket.addEventListener('message', ({ data }) => messages.push(JSON.parse(data)))
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new Error('The WebSocket was refused')))
  })
  return {
    say: (what) => socket.send(JSON.stringify(what)),
    hears: (isRight) =>
      eventually(
        () => messages.find(isRight),
        (message) => message !== undefined,
        TOLD_WITHIN_MS,
        'the message',
      ),
    cut: () => socket.close(),
  }
}

/** Somebody with one ticket, good for every time they come again, and all they have seen so far. */
async function follower(service, connect, view, date) {
  const { body } = await service.post('/api/v1/days/tickets', { date, view })
  const seen = []
  const comeAgain = () =>
    connect(service.url(), body.url, seen.at(-1)?.seq ?? null, (message) => seen.push(message))
  return { seen, comeAgain }
}
