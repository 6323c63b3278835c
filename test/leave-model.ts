/**
 * What a clerk with a sheet of paper would say of leave: for each doctor and date whether a booking is
 * accepted, and where each visit is. Nothing fails here, and all that a job does is done at once.
 */

export const CAPACITY = 3
export const OFFER_MS = 15 * 60_000

export interface Visit {
  id: string
  patient: string
  place: Place
  slot: number
  status: 'booked' | 'cancelled' | 'arrived'
}

/** A doctor and a date. */
export interface Place {
  doctor: string
  date: string
}

export const nameOf = ({ doctor, date }: Place): string => `${doctor}/${date}`

/** The clerk's sheet of one day. `setAt`: when a caller has set whether the doctor is present. */
interface Sheet extends Place {
  isUsed: boolean
  isPresent: boolean
  setAt: number | null
  /** The leave, the closing or the retirement by which it is closed, or was last. */
  cause: string | null
  affected: Map<string, { visit: Visit; isWaiting: boolean }>
  waiting: { patient: string; deadline: number | null }[]
  /** Who closed or opened the day, in this order. */
  marks: string[]
  moves: number
}

export type DateState = 'pending' | 'told' | 'failed' | 'over' | 'ending' | 'ended'

interface Outcome {
  moved: string[]
  waitlisted: string[]
  to_call: string[]
}

export interface Leave {
  id: string
  kind: 'leave' | 'retirement' | 'closing'
  doctor: string
  from: string
  to: string
  since: number
  moveTo: { doctor: string; daysLater: number } | null
  status: 'running' | 'paused' | 'completed' | 'cancelling' | 'cancelled'
  dates: Map<string, Place & { state: DateState; outcome: Outcome }>
}

const NOTHING: Outcome = { moved: [], waitlisted: [], to_call: [] }
const IN_FORCE: DateState[] = ['pending', 'told', 'failed']

export const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10)

export class ClerkOfLeave {
  visits = new Map<string, Visit>()
  leaves = new Map<string, Leave>()
  sheets = new Map<string, Sheet>()
  retired = new Map<string, string>()
  /** Weekdays (0: Sunday) on which a doctor does not work. */
  daysOff = new Map<string, number[]>()
  audit: string[] = []

  constructor(
    readonly doctors: string[],
    public now: number,
  ) {}

  get today(): string {
    return new Date(this.now).toISOString().slice(0, 10)
  }

  sheet(place: Place): Sheet {
    const known = this.sheets.get(nameOf(place))
    if (known) return known
    const sheet: Sheet = {
      ...place,
      ...{ isUsed: false, isPresent: true, setAt: null, cause: null, marks: [], moves: 0, waiting: [] },
      affected: new Map(),
    }
    this.sheets.set(nameOf(place), sheet)
    return sheet
  }

  onDay = (place: Place): Visit[] =>
    [...this.visits.values()]
      .filter((visit) => visit.status !== 'cancelled' && nameOf(visit.place) === nameOf(place))
      .sort((one, other) => one.slot - other.slot)
  has = (place: Place, patient: string): boolean =>
    this.onDay(place).some((visit) => visit.patient === patient)
  isDayOff = ({ doctor, date }: Place): boolean =>
    this.daysOff.get(doctor)?.includes(new Date(date).getUTCDay()) ?? false
  free(place: Place): number {
    const offered = this.sheet(place).waiting.filter(({ deadline }) => deadline !== null).length
    return CAPACITY - this.onDay(place).length - offered
  }

  /** Why D1 says that a date is closed: the newest decision counts. */
  #causes({ doctor, date }: Place): Leave[] {
    return [...this.leaves.values()].filter(
      ({ kind, status, doctor: of, from, to, dates }) =>
        (kind === 'leave' && IN_FORCE.includes(dates.get(nameOf({ doctor, date }))?.state ?? 'over')) ||
        (kind !== 'leave' &&
          ['running', 'completed'].includes(status) &&
          (kind === 'closing' ? from <= date && date <= to : of === doctor)),
    )
  }

  /** Each code that a request to this day may be refused with; none: the doctor takes patients. */
  refusals(place: Place): string[] {
    const { isUsed, isPresent, setAt } = this.sheet(place)
    if (place.date < this.today) return ['date_over']
    const causes = this.#causes(place)
    if (causes.some(({ kind }) => kind === 'retirement')) return ['doctor_retired']
    const closing = causes.filter(({ since }) => setAt === null || setAt < since)
    if (closing.length > 0)
      return closing.map(({ kind }) => (kind === 'leave' ? 'on_leave' : 'clinic_closed'))
    return !isPresent || (!isUsed && this.isDayOff(place)) ? ['doctor_absent'] : []
  }

  book(visit: Visit): void {
    this.visits.set(visit.id, visit)
    this.sheet(visit.place).isUsed = true
    this.#leaveLine(visit.place, visit.patient)
  }

  cancel(visit: Visit): void {
    visit.status = 'cancelled'
    this.offer(this.sheet(visit.place))
  }

  set(place: Place, isPresent: boolean): void {
    const sheet = this.sheet(place)
    sheet.setAt = this.now
    this.#mark(sheet, isPresent, null)
  }

  wait(place: Place, patient: string): void {
    const sheet = this.sheet(place)
    this.#open(sheet)
    if (sheet.waiting.some((one) => one.patient === patient)) return
    sheet.waiting.push({ patient, deadline: null })
    this.offer(sheet)
  }

  decline(place: Place, patient: string): void {
    this.#leaveLine(place, patient)
  }

  #leaveLine(place: Place, patient: string): void {
    const sheet = this.sheet(place)
    sheet.waiting = sheet.waiting.filter((one) => one.patient !== patient)
    this.offer(sheet)
  }

  offer(sheet: Sheet): void {
    if (!sheet.isPresent || sheet.date < this.today) return
    for (const place of sheet.waiting)
      if (place.deadline === null && this.free(sheet) > 0) place.deadline = this.now + OFFER_MS
  }

  lapse(): void {
    for (const sheet of this.sheets.values()) {
      const stands = sheet.waiting.filter(({ deadline }) => deadline === null || deadline > this.now)
      if (stands.length === sheet.waiting.length) continue
      sheet.waiting = stands
      this.offer(sheet)
    }
  }

  /** A day that is used for the first time on a day off is closed for itself. */
  #open(sheet: Sheet): void {
    if (sheet.isUsed) return
    sheet.isUsed = true
    if (!this.isDayOff(sheet)) return
    sheet.setAt = this.now
    this.#mark(sheet, false, null)
  }

  #mark(sheet: Sheet, isPresent: boolean, cause: string | null): void {
    Object.assign(sheet, { isUsed: true, isPresent, cause, ...(cause && { setAt: null }) })
    sheet.marks.push(`${isPresent ? 'open' : 'closed'} ${cause ? 'by a leave' : 'for itself'}`)
    if (!isPresent) return
    sheet.affected.clear()
    this.offer(sheet)
  }

  declare(leave: Omit<Leave, 'dates' | 'status'>): Leave {
    const declared: Leave = { ...leave, status: 'running', dates: new Map() }
    if (leave.kind === 'leave')
      for (let date = leave.from; date <= leave.to; date = dateAfter(date, 1))
        this.#add(declared, { doctor: leave.doctor, date })
    this.leaves.set(leave.id, declared)
    return declared
  }

  #add(leave: Leave, { doctor, date }: Place): void {
    leave.dates.set(nameOf({ doctor, date }), { doctor, date, state: 'pending', outcome: NOTHING })
  }

  /** From the first date on that it names. */
  cancelFrom(leave: Leave, from: string): void {
    const isWhole = leave.from >= from || from <= this.today
    for (const date of leave.dates.values()) {
      if (IN_FORCE.includes(date.state) && date.date >= from) date.state = 'ending'
      else if (['pending', 'failed'].includes(date.state) && date.date < this.today) date.state = 'over'
    }
    if (!isWhole && dateAfter(from, -1) < leave.to) leave.to = dateAfter(from, -1)
    leave.status = isWhole ? 'cancelling' : leave.status === 'paused' ? 'paused' : 'running'
  }

  endAll(leave: Leave): void {
    leave.status = 'cancelling'
    for (const date of leave.dates.values())
      if (IN_FORCE.includes(date.state)) date.state = date.date < this.today ? 'over' : 'ending'
  }

  resume(leave: Leave): void {
    leave.status = 'running'
    for (const date of leave.dates.values()) if (date.state === 'failed') date.state = 'pending'
  }

  /** All that the job of a leave would do; `told`: it is stopped after so many days. */
  work(leave: Leave, told = Number.POSITIVE_INFINITY): void {
    if (leave.kind !== 'leave' && leave.status === 'running')
      for (const sheet of this.sheets.values())
        if (sheet.isUsed && this.#causes(sheet).includes(leave) && sheet.date >= leave.from)
          if (!leave.dates.has(nameOf(sheet))) this.#add(leave, sheet)
    let left = told
    for (const date of leave.dates.values()) {
      if (date.state === 'ending') date.state = this.#end(leave, date)
      else if (date.state === 'pending' && leave.status !== 'paused' && left-- > 0) this.#tell(leave, date)
    }
    if (told < leave.dates.size) return
    if (leave.status === 'running') leave.status = 'completed'
    if (leave.status === 'cancelling') leave.status = 'cancelled'
  }

  #tell(leave: Leave, told: Place & { state: DateState; outcome: Outcome }): void {
    const sheet = this.sheet(told)
    told.state = told.date < this.today ? 'over' : 'told'
    if (told.state === 'over') return
    const isOpenedSince = sheet.isPresent && sheet.isUsed && (sheet.setAt ?? 0) >= leave.since
    if (!isOpenedSince) this.#strike(leave, sheet)
    const outcome: Outcome = { moved: [], waitlisted: [], to_call: [] }
    for (const { visit, isWaiting } of sheet.affected.values()) {
      const isHere = nameOf(visit.place) === nameOf(sheet)
      const list = isWaiting ? 'waitlisted' : isHere ? 'to_call' : 'moved'
      if (list !== 'to_call' || visit.status !== 'cancelled') outcome[list].push(visit.id)
    }
    told.outcome = outcome
  }

  #strike(leave: Leave, sheet: Sheet): void {
    this.#open(sheet)
    if (sheet.isPresent) this.#mark(sheet, false, leave.id)
    const outstanding = this.onDay(sheet)
    for (const visit of outstanding) sheet.affected.set(visit.id, { visit, isWaiting: false })
    if (!leave.moveTo) return
    const place = { doctor: leave.moveTo.doctor, date: dateAfter(sheet.date, leave.moveTo.daysLater) }
    const target = this.sheet(place)
    const full: Visit[] = []
    const moved: Visit[] = []
    const offeredTo = (patient: string) =>
      target.waiting.some((one) => one.patient === patient && one.deadline !== null)
    for (const visit of outstanding) {
      if (visit.status === 'arrived' || this.refusals(place).length > 0) continue
      if (this.has(place, visit.patient)) continue
      if (this.free(place) < 1 && !offeredTo(visit.patient)) full.push(visit)
      else {
        if (this.free(place) < 1)
          target.waiting = target.waiting.filter((one) => one.patient !== visit.patient)
        visit.place = place
        sheet.moves += 1
        target.isUsed = true
        moved.push(visit)
      }
    }
    for (const { patient } of moved) this.#leaveLine(place, patient)
    for (const visit of full) {
      if (this.has(place, visit.patient)) continue
      this.wait(place, visit.patient)
      visit.status = 'cancelled'
      sheet.affected.set(visit.id, { visit, isWaiting: true })
    }
  }

  #end(leave: Leave, place: Place): DateState {
    const sheet = this.sheet(place)
    if (place.date < this.today) return 'over'
    if (sheet.isPresent || sheet.cause !== leave.id) return 'ended'
    const weight = ({ kind, since }: Leave) => (kind === 'retirement' ? Number.POSITIVE_INFINITY : since)
    const [next] = this.#causes(place).sort((one, other) => weight(other) - weight(one))
    if (next && !next.dates.has(nameOf(place))) {
      this.#add(next, place)
      Object.assign(next.dates.get(nameOf(place)) ?? {}, { state: 'told' })
    }
    this.#mark(sheet, !next, next?.id ?? leave.id)
    return 'ended'
  }
}
