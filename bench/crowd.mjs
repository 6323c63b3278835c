import { APPOINTMENTS, newKey } from './site.mjs'

/** How many more of each day a round books, and how many it checks in. A day of 10 has room for one round. */
const PER_DAY = 5

/**
 * Days with so many slots, half of them booked; of those, all have arrived but whom the rounds will check in.
 * A round books and checks in as many of as many days whatever their slots, because those of one day share
 * their copies to D1. Days that are full are followed by fresh ones.
 */
export function crowd(site, slots, { days, rounds }) {
  const perRound = days * PER_DAY
  const half = (slots / 2) * days
  const roundsOfDays = Math.min(rounds, half / perRound)
  let open = { booked: slots * days }

  async function opened() {
    const at = site.days(slots, slots * days)
    const appointments = await site.booked(slots, half, at)
    const arrived = half - roundsOfDays * perRound
    if (arrived > 0) await site.arrive(appointments.slice(0, arrived))
    return { at, appointments, booked: half, arrived }
  }

  return {
    perRound,
    async booking() {
      if (open.booked === slots * days) open = await opened()
      const { at, booked } = open
      open.booked += perRound
      return (number) => site.booking(at(booked + number), newKey())
    },
    checkingIn() {
      const { appointments, arrived } = open
      open.arrived += perRound
      return (number) => site.checkIn(appointments[arrived + number])
    },
    /** Those of each day, and from one day to the next. */
    appointment: (number) => open.appointments[number % open.appointments.length],
    /** Has each day in memory, as it is while it is busy. */
    async wake() {
      const request = (day) => site.get(`${APPOINTMENTS}/${open.appointments[day].id}`)
      await site.ask({ amount: days, request, expected: 200 })
    },
  }
}
