import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { allPages, DAY, type FrontDesk, openFrontDesk, times } from './clinic'

const APPOINTMENTS = '/api/v1/appointments'
afterEach(() => {
  vi.restoreAllMocks()
})

const idsOf = (body: { id: string }[]) => body.map(({ id }) => id)
const ofDoctor = (desk: FrontDesk, atLeast: string | null) =>
  desk.get(`${APPOINTMENTS}?doctor_id=${desk.doctorId}&at_least=${encodeURIComponent(atLeast ?? '')}`)
const versionOf = ({ headers }: { headers: Headers }) => headers.get('X-Day-Version')

test('a list that is asked for at least the version of an answer shows what the answer says, at once', async () => {
  const desk = await openFrontDesk({ patients: 12, capacity: 20 })
  const booked: string[] = []
  for (const patient of times(12, (n) => n)) {
    const answer = await desk.book({ date: DAY, patient })
    booked.push(answer.body.id)
    expect(versionOf(answer)).toBe(`${desk.doctorId}/${DAY}:${patient + 2}`)
    expect(idsOf((await ofDoctor(desk, versionOf(answer))).body).sort()).toEqual([...booked].sort())
  }
  const cancelled = await desk.post(`${APPOINTMENTS}/${booked[3]}/cancel`, {})
  const { body } = await ofDoctor(desk, versionOf(cancelled))
  expect(body.find(({ id }: { id: string }) => id === booked[3]).status).toBe('cancelled')
})

test('after a move to another day, its version shows the visit where it is now', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: DAY })
  for (const date of ['2040-03-15', '2040-03-16', DAY]) {
    const moved = await desk.post(`${APPOINTMENTS}/${body.id}/reschedule`, { date })
    expect(moved.body).toMatchObject({ id: body.id, date })
    expect((await ofDoctor(desk, versionOf(moved))).body).toMatchObject([{ id: body.id, date }])
  }
})

test('the list of a patient shows what was booked just before, without being asked for a version', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 30 })
  for (const n of times(12, (count) => count)) {
    const { body } = await desk.book({ date: `2040-04-${10 + (n % 3)}`, allow_another: true })
    const { body: listed } = await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[0]}`)
    expect(idsOf(listed)).toContain(body.id)
    expect(listed).toHaveLength(n + 1)
  }
  expect((await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[1]}`)).body).toEqual([])
})

test('every page of a list that waits names the version in its link to the next one', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const answers = []
  for (const patient of [0, 1, 2]) answers.push(await desk.book({ date: DAY, patient }))
  const version = encodeURIComponent(versionOf(answers[2] as never) ?? '')
  const pages = await allPages(desk, `${APPOINTMENTS}?doctor_id=${desk.doctorId}&limit=1&at_least=${version}`)
  expect(pages.flatMap(({ body }) => idsOf(body)).sort()).toEqual(answers.map(({ body }) => body.id).sort())
})

test('a retry is told the version too, also by a reply that KV kept', async () => {
  const desk = await openFrontDesk()
  const book = () => desk.book({ date: DAY }, { 'Idempotency-Key': 'k' })
  const first = await book()
  const again = await expect
    .poll(async () => (await book()).headers.get('Idempotency-Replayed'))
    .toBe('true')
    .then(book)
  expect(versionOf(again)).toBe(versionOf(first))
  expect(versionOf(first)).toBe(`${desk.doctorId}/${DAY}:2`)
})

test('a version that the day does not have is 400, one of no form too, and a foreign doctor is 404', async () => {
  const [desk, stranger] = [await openFrontDesk(), await openFrontDesk()]
  const answer = await desk.book({ date: DAY })
  const ahead = await ofDoctor(desk, `${desk.doctorId}/${DAY}:3`)
  expect([ahead.status, ahead.body.detail]).toEqual([400, expect.stringMatching(/^at_least names a version/)])
  for (const wrong of [
    'x',
    `${desk.doctorId}/${DAY}`,
    `${desk.doctorId}/${DAY}:-1`,
    ':1',
    times(11, () => versionOf(answer)).join(),
  ])
    expect([wrong, (await ofDoctor(desk, wrong)).status]).toEqual([wrong, 400])
  expect((await ofDoctor(stranger, versionOf(answer))).status).toBe(404)
})

test('while D1 takes no copy, a list that must wait is 503 with Retry-After, and the patient’s list shows what D1 has', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: DAY })
  await expect.poll(async () => (await ofDoctor(desk, `${desk.doctorId}/${DAY}:2`)).status).toBe(200)
  await env.DB.exec(
    `CREATE TRIGGER no_copy_of_${body.id.slice(0, 8)} BEFORE UPDATE ON days
    WHEN NEW.doctor_id = '${desk.doctorId}' BEGIN SELECT RAISE(ABORT, 'Network connection lost'); END`.replaceAll(
      '\n',
      ' ',
    ),
  )
  const other = await desk.book({ date: DAY, allow_another: true })
  expect(other.status).toBe(201)
  const late = await ofDoctor(desk, versionOf(other))
  expect([late.status, late.headers.get('Retry-After')]).toEqual([503, '1'])
  expect((await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[0]}`)).status).toBe(200)
  await env.DB.exec(`DROP TRIGGER no_copy_of_${body.id.slice(0, 8)}`)
})
