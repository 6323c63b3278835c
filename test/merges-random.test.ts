import { expect, test } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { type FrontDesk, openFrontDesk, times } from './clinic'
import { listed, merge, PATIENTS, unmerge } from './merging'
import { APPOINTMENTS } from './moves'
import { rounds } from './rounds'

const PATIENTS_COUNT = 6
const DATES = ['2040-03-12', '2040-03-13', '2040-03-14']

/** What should be true: who was merged into whom, and who has which appointment. */
interface Model {
  into: Map<string, string>
  /** `owner`: the record that was in use when it was booked. */
  appointments: Map<string, { owner: string; date: string }>
}

const survivor = ({ into }: Model, id: string): string => {
  let at = id
  for (let next = into.get(at); next !== undefined; next = into.get(at)) at = next
  return at
}
const isOf = (model: Model, owner: string, id: string) => survivor(model, owner) === survivor(model, id)

interface Chosen {
  one: string
  other: string
  date: string
}

type Step = (desk: FrontDesk, model: Model, chosen: Chosen) => Promise<void>

const STEPS: Step[] = [
  async (desk, model, { one, other }) => {
    const { status } = await merge(desk, one, other)
    const isMerged = [one, other].some((id) => model.into.has(id))
    expect(status).toBe(one === other ? 422 : isMerged ? 409 : 200)
    if (status === 200) model.into.set(one, other)
  },
  async (desk, model, { one }) => {
    const { status } = await unmerge(desk, one)
    expect(status).toBe(model.into.has(one) ? 200 : 409)
    model.into.delete(one)
  },
  async (desk, model, { one, date }) => {
    const { status, body } = await desk.book({ date, patient: desk.patientIds.indexOf(one) })
    const has = [...model.appointments.values()].some(
      (known) => known.date === date && isOf(model, known.owner, one),
    )
    expect(status).toBe(has ? 409 : 201)
    if (status !== 201) return
    expect(body.patient_id).toBe(survivor(model, one))
    model.appointments.set(body.id, { owner: body.patient_id, date })
  },
  async (desk, model, { one, date }) => {
    for (const [id, known] of model.appointments) {
      if (known.date !== date || !isOf(model, known.owner, one)) continue
      expect((await desk.post(`${APPOINTMENTS}/${id}/cancel`, { reason: 'ill' })).status).toBe(200)
      model.appointments.delete(id)
    }
  },
  async (desk, model, { one }) => {
    const n = desk.patientIds.indexOf(one)
    const again = await desk.post(PATIENTS, {
      name: `Patient ${n}`,
      phone: `+1 202 555 ${String(n).padStart(4, '0')}`,
    })
    expect([again.status, again.body.id]).toEqual([200, survivor(model, one)])
  },
]

async function expectAsModelled(desk: FrontDesk, model: Model, one: string): Promise<void> {
  const inUse = desk.patientIds.filter((id) => !model.into.has(id))
  expect(await listed(desk)).toEqual(expect.arrayContaining(inUse))
  expect(await listed(desk, 'q=patient')).toHaveLength(inUse.length)
  expect((await desk.get(`${PATIENTS}/${one}`)).body.id).toBe(survivor(model, one))
  const { body } = await desk.get(`${APPOINTMENTS}?status=booked&patient_id=${one}`)
  const own = [...model.appointments].filter(([, { owner }]) => isOf(model, owner, one))
  expect(body.map(({ id }: { id: string }) => id).toSorted()).toEqual(own.map(([id]) => id).toSorted())
}

test('whatever is merged, undone, booked and cancelled, each patient has what a plain model says', async () => {
  const desk = await openFrontDesk({ patients: PATIENTS_COUNT, capacity: 40 })
  const random = seeded(18)
  const chosen = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  const model: Model = { into: new Map(), appointments: new Map() }
  const seen = times(STEPS.length, () => 0)
  for (let round = 0; round < rounds(80, 1_500); round += 1) {
    const [one, other] = [chosen(desk.patientIds), chosen(desk.patientIds)]
    const step = Math.floor(random() * STEPS.length)
    seen[step] = (seen[step] ?? 0) + 1
    await STEPS[step]?.(desk, model, { one, other, date: chosen(DATES) })
    await expectAsModelled(desk, model, chosen(desk.patientIds))
  }
  expect(Math.min(...seen)).toBeGreaterThan(5)
})
