import { APPOINTMENTS, newKey } from '../site.mjs'

/** A round books this many on each day, and checks in as many. A day of 10 slots has room for one round. */
const PER_DAY = 5

/**
 * Days with this many slots, half of them booked. All booked patients have checked in, except those that the
 * rounds will check in. Each round uses as many days and appointments for every number of slots, because the
 * appointments of one day share their copies to D1. Full days are replaced by unused ones.
 */
export function crowd(site, slots, { days, rounds }) {
  const perRound = days * PER_DAY
  const half = (slots / 2) * days
  const roundsOfDays = Math.min(rounds, half / perRound)
  let open = { booked: slots * days }

  async function openDays() {
    const at = site.unusedDays(slots, slots * days)
    const appointments = await site.bookMany(slots, half, at)
    const arrived = half - roundsOfDays * perRound
    if (arrived > 0) await site.checkInAll(appointments.slice(0, arrived))
    return { at, appointments, booked: half, arrived }
  }

  return {
    perRound,
    async booking() {
      if (open.booked === slots * days) open = await openDays()
      const { at, booked } = open
      open.booked += perRound
      return (number) => site.booking(at(booked + number), newKey())
    },
    checkingIn() {
      const { appointments, arrived } = open
      open.arrived += perRound
      return (number) => site.checkIn(appointments[arrived + number])
    },
    /** Neighbouring numbers are on different days. */
    appointment: (number) => open.appointments[number % open.appointments.length],
    /** Loads each day into memory, where a busy day is. */
    async wake() {
      const request = (day) => site.get(`${APPOINTMENTS}/${open.appointments[day].id}`)
      await site.ask({ amount: days, request, expected: 200 })
    },
  }
}
