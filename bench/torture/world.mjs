// What the clients know: every request, every acknowledged fact, and every broken promise.

/** The report shows this many broken promises of each check. */
const SHOWN_MAX = 100

export function newWorld(seed) {
  const broken = []
  const done = {}
  return {
    seed,
    clinics: [],
    clients: [],
    broken,
    /** The number of each answer, by operation. */
    done,
    requests: 0,
    cuts: 0,
    /** Days with a declared absence, or of a doctor who takes leaves: the service moves their appointments. */
    absenceDays: new Set(),
    /** Facts by kind, as the service has acknowledged them. */
    acknowledged: new Map(),
    isOver: false,
    breaks(check, what) {
      broken.push({ check, what })
    },
    count(what, answer) {
      done[what] ??= {}
      done[what][answer] = (done[what][answer] ?? 0) + 1
    },
    acknowledge(what, fact) {
      if (!this.acknowledged.has(what)) this.acknowledged.set(what, [])
      this.acknowledged.get(what).push(fact)
    },
    all(what, clinic) {
      return (this.acknowledged.get(what) ?? []).filter((fact) => !clinic || fact.clinic === clinic)
    },
  }
}

/** Every day that the load uses: those of all doctors, and those of the doctors who take leaves. */
export const daysOf = ({ clinics }) =>
  clinics.flatMap((clinic) => [
    ...crossed(clinic, clinic.doctors, clinic.dates),
    ...crossed(clinic, clinic.onLeave, clinic.leaveDates),
  ])

const crossed = (clinic, doctors, dates) =>
  doctors.flatMap((doctor) => dates.map((date) => ({ clinic, doctor, date })))

export const dayName = ({ doctor, date }) => `${doctor} ${date}`

/** Broken promises by check. */
export function brokenLines({ broken }) {
  const byCheck = Object.groupBy(broken, ({ check }) => check)
  return Object.entries(byCheck).flatMap(([check, found]) => [
    `BROKEN ${check} (${found.length})`,
    ...found.slice(0, SHOWN_MAX).map(({ what }) => `  ${what}`),
    ...(found.length > SHOWN_MAX ? [`  and ${found.length - SHOWN_MAX} more`] : []),
  ])
}
