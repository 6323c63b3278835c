import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { sha256 } from '../src/lib/crypto'
import { DAY, type FrontDesk, openFrontDesk } from './clinic'
import { soon } from './soon'

export { DAY }
export const NOON = Date.parse(`${DAY}T12:00:00Z`)

export const pathOf = ({ doctorId }: { doctorId: string }, leaf: string, date = DAY) =>
  `/api/v1/doctors/${doctorId}/days/${date}/${leaf}`
export const verdictOf = async (desk: FrontDesk) => (await desk.get(pathOf(desk, 'verify'))).body
export const objectOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
export const inStorage = <Result>(desk: FrontDesk, work: (sql: SqlStorage) => Result) =>
  runInDurableObject(objectOf(desk), (_, state) => work(state.storage.sql))

/** Six events, a minute apart: opened, booked, booked, availability_set, capacity_set, checked_in. */
export async function openBusyDay(): Promise<FrontDesk & { appointmentId: string }> {
  const desk = await openFrontDesk({ patients: 2 })
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const { body } = await desk.book({ date: DAY })
  vi.setSystemTime(NOON + 60_000)
  await desk.book({ date: DAY, patient: 1 })
  vi.setSystemTime(NOON + 120_000)
  const availability = { date: DAY, is_present: true, notes: 'until five', capacity: 12 }
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, availability)
  vi.setSystemTime(NOON + 180_000)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: desk.patientIds[0] })
  // A clock left in the past would have every alarm due at once, again and again.
  vi.useRealTimers()
  return { ...desk, appointmentId: body.id }
}

/** D1’s row of the day. */
export const rowOf = (desk: FrontDesk, date = DAY) =>
  env.DB.prepare('SELECT * FROM days WHERE clinic_id = ? AND doctor_id = ? AND date = ?')
    .bind(desk.clinicId, desk.doctorId, date)
    .first()

/** D1 has copied `version` events. */
export const copied = (desk: FrontDesk, version: number, date = DAY) =>
  soon(async () => expect(await rowOf(desk, date)).toMatchObject({ version, head: expect.any(String) }))

export type Row = Record<string, SqlStorageValue>
const TABLES = ['_schema', 'events', 'head', 'ops', 'readers']

/** Everything in the file of a day. */
export const fileOf = (desk: FrontDesk): Promise<Record<string, Row[]>> =>
  inStorage(desk, (sql) =>
    Object.fromEntries(TABLES.map((table) => [table, sql.exec<Row>(`SELECT * FROM ${table}`).toArray()])),
  )

/** A file in place of the day’s own one. */
export async function putFile(desk: FrontDesk, file: Record<string, Row[]>): Promise<void> {
  await inStorage(desk, (sql) => {
    for (const table of TABLES) {
      sql.exec(`DELETE FROM ${table}`)
      for (const row of file[table] ?? [])
        sql.exec(`INSERT INTO ${table} VALUES (${Object.keys(row).map(() => '?')})`, ...Object.values(row))
    }
  })
  await evictDurableObject(objectOf(desk))
}

/** As by a forger who knows the code, but no secret: every hash is computed again. */
export function chainAgain(sql: SqlStorage): void {
  let previous = ''
  for (const { seq, at, actor, body } of sql.exec<Row>('SELECT * FROM events ORDER BY seq').toArray()) {
    const hash = sha256(JSON.stringify([previous, seq, at, actor, body]))
    sql.exec('UPDATE events SET hash = ? WHERE seq = ?', hash, seq)
    previous = hash
  }
  sql.exec('UPDATE head SET hash = ?, seq = (SELECT max(seq) FROM events)', previous)
}
