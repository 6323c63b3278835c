const DAY_MS = 86_400_000

/** As many bookings a day of a doctor gets; then the doctor's next date is used. */
const PER_DAY = 8

/** The first dates are ahead in every time zone. */
const FIRST_DAY_AHEAD = 2

/**
 * Doctors take turns: each gets 8 bookings on a date, then on the next one. They do not all change the date at
 * once, so that every stretch of bookings has the same share of unused days, however short it is. A call takes
 * the next `amount` turns, and returns a function from a number to a turn.
 */
export function turns(doctors) {
  const firstMs = Date.now() + FIRST_DAY_AHEAD * DAY_MS
  let taken = 0
  return (amount) => {
    const from = taken
    taken += amount
    return (n) => {
      const number = from + n
      const doctor = number % doctors
      const day = Math.floor((Math.floor(number / doctors) + (doctor % PER_DAY)) / PER_DAY)
      return { number, doctor, date: new Date(firstMs + day * DAY_MS).toISOString().slice(0, 10) }
    }
  }
}
