import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { merge, unmerge } from './merging'
import { isSlow, planOf, stated } from './plans'
import { soon } from './soon'

/** Requests whose statements grow with the clinic if they read a table from end to end. */

const DOCTORS = '/api/v1/doctors'
const APPOINTMENTS = '/api/v1/appointments'
const [FROM, TO] = ['2040-03-12', '2040-03-14']
const SCOPES = ['*', 'admin', 'clinic:admin', 'clinics:*']

afterEach(() => vi.restoreAllMocks())

/** A clinic with everything that a request may ask for. */
interface Clinic extends FrontDesk {
  leaveId: string
  closingId: string
  visitId: string
  wish: { wish_id: string; places: { id: string }[] }
}

async function openClinicInUse(): Promise<Clinic> {
  const desk = await openFrontDesk({ patients: 5, scopes: SCOPES })
  const at = `${DOCTORS}/${desk.doctorId}`
  const visit = await desk.book({ date: '2040-04-01' })
  const leave = await desk.post(`${at}/leave`, { from: FROM, to: TO, reason: 'away' })
  const closing = await desk.post('/api/v1/closings', { from: '2040-12-24', to: '2040-12-26', reason: 'x' })
  const dates = ['2040-04-02', '2040-04-03']
  const wanted = { patient_id: desk.patientIds[1], doctor_id: desk.doctorId, dates }
  const wish = await desk.post(`${APPOINTMENTS}/waitlist`, wanted)
  await merge(desk, desk.patientIds[2], desk.patientIds[3])
  await soon(async () =>
    expect((await desk.get(`${at}/leave/${leave.body.leave_id}`)).body.status).toBe('completed'),
  )
  return {
    ...desk,
    leaveId: leave.body.leave_id,
    closingId: closing.body.closing_id,
    visitId: visit.body.id,
    wish: wish.body,
  }
}

const doctor = ({ doctorId }: FrontDesk) => `${DOCTORS}/${doctorId}`
const leave = (desk: Clinic) => `${doctor(desk)}/leave/${desk.leaveId}`
const patient = (desk: FrontDesk, n: number) => `/api/v1/patients/${desk.patientIds[n]}`
const cursor = (...sortKey: unknown[]) => Buffer.from(JSON.stringify(sortKey)).toString('base64url')
const week = { mon: null, tue: null, wed: null, thu: null, fri: null, sat: null, sun: null }

const REQUESTS: [name: string, send: (desk: Clinic) => Promise<Reply>][] = [
  ['leaves of a doctor', (desk) => desk.get(`${doctor(desk)}/leave?limit=5&cursor=${cursor('x')}`)],
  ['a leave', (desk) => desk.get(leave(desk))],
  ['dates of a leave', (desk) => desk.get(`${leave(desk)}/dates?limit=5&cursor=${cursor(FROM)}`)],
  [
    'a new leave',
    (desk) => desk.post(`${doctor(desk)}/leave`, { from: '2040-05-01', to: '2040-05-09', reason: 'x' }),
  ],
  [
    'a leave that moves',
    (desk) =>
      desk.post(`${doctor(desk)}/leave`, {
        from: '2040-04-01',
        to: '2040-04-01',
        reason: 'x',
        move_to: { days_later: 9 },
      }),
  ],
  ['pause', (desk) => desk.post(`${leave(desk)}/pause`)],
  ['resume', (desk) => desk.post(`${leave(desk)}/resume`)],
  ['cancel a leave', (desk) => desk.post(`${leave(desk)}/cancel`, { from: TO })],
  ['retire', (desk) => desk.send('DELETE', doctor(desk))],
  ['reinstate', (desk) => desk.post(`${doctor(desk)}/reinstate`)],
  ['closings', (desk) => desk.get(`/api/v1/closings?limit=5&cursor=${cursor(FROM)}`)],
  ['a closing', (desk) => desk.get(`/api/v1/closings/${desk.closingId}`)],
  [
    'a new closing',
    (desk) => desk.post('/api/v1/closings', { from: '2041-01-01', to: '2041-01-02', reason: 'x' }),
  ],
  ['open again', (desk) => desk.send('DELETE', `/api/v1/closings/${desk.closingId}`)],
  ['weekly hours', (desk) => desk.get(`${doctor(desk)}/weekly-hours`)],
  ['a new week', (desk) => desk.send('PATCH', doctor(desk), JSON.stringify({ weekly_hours: week }))],
  ['no week', (desk) => desk.send('PATCH', doctor(desk), JSON.stringify({ weekly_hours: null }))],
  ['free slots', (desk) => desk.get(`${doctor(desk)}/slots?from=${FROM}&to=${TO}`)],
  ['merge', (desk) => merge(desk, desk.patientIds[0], desk.patientIds[1])],
  ['undo a merge', (desk) => unmerge(desk, desk.patientIds[2])],
  ['merges', (desk) => desk.get(`${patient(desk, 3)}/merges`)],
  ['duplicates', (desk) => desk.get(`${patient(desk, 0)}/duplicates`)],
  ['a merged patient', (desk) => desk.get(patient(desk, 2))],
  ['erase', (desk) => desk.send('DELETE', patient(desk, 4))],
  ['erase a merged patient', (desk) => desk.send('DELETE', patient(desk, 3))],
  ['a wish', (desk) => desk.get(`${APPOINTMENTS}/waitlist/wishes/${desk.wish.wish_id}`)],
  ['accept', (desk) => desk.post(`${APPOINTMENTS}/waitlist/${desk.wish.places[0]?.id}/accept`)],
  ['give up a wish', (desk) => desk.post(`${APPOINTMENTS}/waitlist/${desk.wish.wish_id}/decline`)],
  ['move', (desk) => desk.post(`${APPOINTMENTS}/${desk.visitId}/reschedule`, { date: '2040-04-09' })],
]

/**
 * Rows of the request itself, or of one leave (366 dates) or one person (the ids
 * merged into it, who else has the phone, the
 * visits).
 */
const BOUNDED: [step: RegExp, statement: RegExp][] = [
  [/^SCAN (copy|entries|below|found)$/, /./],
  [/^USE TEMP B-TREE FOR json_group_array\(DISTINCT\)$/, /json_each\(\?\) told/],
  [
    /^USE TEMP B-TREE FOR ORDER BY$/,
    /^select distinct "date".* from "appointments" where .*"patient_id" in \(/,
  ],
  [/^USE TEMP B-TREE FOR GROUP BY$/, /from "leave_days" where .*"leave_id" = \?/],
  [
    /^UNION USING TEMP B-TREE$/,
    /FROM merged_patients WHERE clinic_id = \? AND survivor_id = \?|IN \(SELECT found\.job_id/,
  ],
  [/^USE TEMP B-TREE FOR ORDER BY$/, /order by "patients"\."id" = \? desc$|q\.phone = \?\s+ORDER BY/],
]

test.each(REQUESTS)(
  '%s: no statement reads a growing table from end to end, or sorts one',
  async (name, send) => {
    const desk = await openClinicInUse()
    const statements = await stated(async () => {
      const { status } = await send(desk)
      // The leave has ended before it can be paused.
      expect([name, status < 300 || (name === 'pause' && status === 409)]).toEqual([name, true])
      await runDurableObjectAlarm(env.LEAVE_JOB.getByName(desk.leaveId))
    })
    expect(statements.length).toBeGreaterThan(0)
    const slow: [step: string, statement: string][] = []
    for (const statement of statements)
      for (const step of (await planOf(statement)).filter(isSlow))
        if (!BOUNDED.some(([known, by]) => known.test(step) && by.test(statement)))
          slow.push([step, statement])
    expect([name, slow]).toEqual([name, []])
  },
)
