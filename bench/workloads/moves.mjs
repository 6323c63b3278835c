import { APPOINTMENTS, newKey } from '../site.mjs'
import { LONG_DAY_SLOTS } from './desk.mjs'

/** Appointments move to the same doctor's day of this date. */
const movedTo = (site) => new Date(Date.parse(site.date) + 86_400_000).toISOString().slice(0, 10)

/** Doctors whose patients all move to another day: `patients` on each day. */
const absence = (patients, fields) => ({
  ...fields,
  name: `absence-${patients}`,
  title: `Declare an absence of ${patients} patients`,
  expected: 200,
  isRight: ({ moved }) => moved.length === patients,
  wakes: true,
  isAlone: true,
  async prepare(site, amount) {
    const at = site.unusedDays(LONG_DAY_SLOTS, amount * patients, patients)
    await site.bookMany(LONG_DAY_SLOTS, amount * patients, at)
    return (number) => {
      const { clinic, doctor } = at(number)
      const body = { reason: 'Ill', move_to: { date: movedTo(site) } }
      const path = `/api/v1/doctors/${doctor}/days/${site.date}/absence`
      return site.clinic(clinic).post(path, body, newKey())
    }
  },
})

export const MOVES = [
  {
    name: 'reschedule',
    title: 'Reschedule, with a key',
    expected: 200,
    isRight: ({ status, date }) => status === 'booked' && date !== undefined,
    wakes: true,
    isBillOnly: true,
    async prepare(site, amount, perDay) {
      const at = site.unusedDays(LONG_DAY_SLOTS, amount, perDay)
      const appointments = await site.bookMany(LONG_DAY_SLOTS, amount, at)
      return (number) => {
        const { id, doctor_id, clinic } = appointments[number]
        const body = { doctor_id, date: movedTo(site) }
        return site.clinic(clinic).post(`${APPOINTMENTS}/${id}/reschedule`, body, newKey())
      }
    },
  },
  absence(5, { isBillOnly: true }),
  absence(30, { isDepthOnly: true }),
]
