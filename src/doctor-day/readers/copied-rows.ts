import { newId } from '../../lib/crypto'
import { type RecorderEnv, record } from '../../recorder/client'
import type { Kind } from '../../recorder/kind'
import { inTurn } from '../rules/queue'
import type { Day } from '../state/day'
import type { Event, Recorded } from '../state/event'
import { setAtOf } from '../state/records'
import { closesAt } from '../state/slot-times'
import { shown } from '../state/views'

/**
 * Copies the day’s figures, and what these events have changed. `head`: the hash of the newest event. Answers
 * which of the patients who are new in D1 have been erased: an erasure finds the days of a patient in D1, so
 * it cannot have found what D1 has only now.
 */
export async function copyToD1(
  env: RecorderEnv,
  day: Day,
  events: Recorded[],
  head: string,
): Promise<string[]> {
  if (!day.identity) return []
  const { clinicId, doctorId, date } = day.identity
  const isPresent = day.availability?.isPresent ?? true
  const closing = closesAt(day.timetable, day.capacity)
  const nextPatient = inTurn(day)[0]?.patientId ?? null
  const { timeZone, hours } = day
  const taken = [...day.slots.keys()].sort((one, other) => one - other)
  const terms = { timeZone, ...(hours && { hours }) }
  const figures = [
    ...[isPresent ? 1 : 0, day.capacity, day.slots.size, day.version, head, closing, nextPatient],
    ...[taken, terms, setAtOf(day.availability)],
  ]
  const ofDay = [clinicId, doctorId, date, ...figures]
  const checkIns = checkInRowsOf(day, events)
  const kind = kindOfCopy(events.some(bringsPatient), checkIns.length > 0)
  const op = newId()
  const row = JSON.stringify([ofDay, appointmentRowsOf(day, events), checkIns, op])
  const { result } = await record(env, kind, { kind: kind.name, clinicId, op, isKeyed: false, row })
  return result
}

const figure = (place: number) => `value->>'$[0][${place}]'`
const OF_COPIES = 'FROM json_each(?1) AS copy CROSS JOIN json_each(copy.value,'
const DAY_OF_COPY = [0, 1, 2].map((place) => `copy.${figure(place)}`).join(', ')
const cells = (count: number) =>
  Array.from({ length: count }, (_, place) => `changed.value->>${place}`).join(', ')

const DAYS = `
  INSERT INTO days (clinic_id, doctor_id, date, is_present, capacity, taken, version, head, closes_at,
    next_patient, taken_slots, terms, set_at)
  SELECT ${Array.from({ length: 13 }, (_, place) => figure(place)).join(', ')} FROM json_each(?1) WHERE true
  ON CONFLICT (clinic_id, doctor_id, date) DO UPDATE SET
    is_present = excluded.is_present, capacity = excluded.capacity, taken = excluded.taken,
    version = excluded.version, head = excluded.head,
    closes_at = excluded.closes_at, next_patient = excluded.next_patient,
    taken_slots = excluded.taken_slots, terms = excluded.terms, set_at = excluded.set_at
  WHERE excluded.version >= days.version`

/** Two days may write one appointment. `moves` decides first: the day that it moved to has the newer row. */
const APPOINTMENTS = `
  INSERT INTO appointments (clinic_id, doctor_id, date, id, patient_id, slot, time_slot, starts_at, ends_at,
    status, created_at, updated_at, version, moves, span, service_id)
  SELECT ${DAY_OF_COPY}, ${cells(13)} ${OF_COPIES} '$[1]') AS changed WHERE true
  ON CONFLICT (id) DO UPDATE SET
    clinic_id = excluded.clinic_id, doctor_id = excluded.doctor_id, date = excluded.date,
    patient_id = excluded.patient_id, slot = excluded.slot, time_slot = excluded.time_slot,
    created_at = excluded.created_at,
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, status = excluded.status,
    updated_at = excluded.updated_at, version = excluded.version, moves = excluded.moves,
    span = excluded.span, service_id = excluded.service_id
  WHERE (excluded.moves, excluded.version) >= (appointments.moves, appointments.version)`

const CHECK_INS = `
  INSERT INTO check_ins (clinic_id, doctor_id, date, id, appointment_id, position, status, checked_in_at,
    version, called_at)
  SELECT ${DAY_OF_COPY}, ${cells(7)} ${OF_COPIES} '$[2]') AS changed WHERE true
  ON CONFLICT (id) DO UPDATE SET
    clinic_id = excluded.clinic_id, doctor_id = excluded.doctor_id, date = excluded.date,
    appointment_id = excluded.appointment_id, position = excluded.position, status = excluded.status,
    checked_in_at = excluded.checked_in_at, version = excluded.version, called_at = excluded.called_at
  WHERE excluded.version >= check_ins.version`

const ERASED = `
  SELECT copy.value->>3 AS op, erasures.patient_id AS patientId ${OF_COPIES} '$[1]') AS changed
    JOIN erasures ON erasures.clinic_id = copy.${figure(0)} AND erasures.patient_id = changed.value->>1
  WHERE erasures.state <> 'begun'`

/**
 * What a day hands over: its figures, and the appointments and check-ins that its newest events changed. An
 * older version never replaces a row, so the same events may be copied twice, late or out of order, and the
 * copy never goes back. The same version does, so that a resync mends a row that was changed in D1.
 */
const copyOf = (name: string, ...more: string[]): Kind<[], string[]> => ({
  name,
  statements: [DAYS, APPOINTMENTS, ...more],
  claim: '',
  result: (returned) => {
    const erased = more.includes(ERASED) ? (returned.at(-1) ?? []) : []
    return [...new Set(erased.map(({ patientId }) => patientId as string))]
  },
})

const CHANGES = copyOf('copy_changes')
const CHANGES_AND_CHECK_INS = copyOf('copy_changes_and_check_ins', CHECK_INS)
const PATIENTS = copyOf('copy', ERASED)
const PATIENTS_AND_CHECK_INS = copyOf('copy_with_check_ins', CHECK_INS, ERASED)
export const COPIES = [CHANGES, CHANGES_AND_CHECK_INS, PATIENTS, PATIENTS_AND_CHECK_INS]

function kindOfCopy(bringsPatients: boolean, hasCheckIns: boolean): Kind<[], string[]> {
  if (bringsPatients) return hasCheckIns ? PATIENTS_AND_CHECK_INS : PATIENTS
  return hasCheckIns ? CHANGES_AND_CHECK_INS : CHANGES
}

/** From the copy of such an event on, an erasure finds the day by D1’s row of the appointment. */
const bringsPatient = ({ type }: Event): boolean =>
  type === 'booked' || type === 'moved_in' || type === 'rebuilt'

function appointmentRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_APPOINTMENTS)
  return [...changed].flatMap(([id, seq]) => {
    const appointment = day.appointments.get(id)
    if (!appointment) return [] // It has moved: the day that it moved to copies it.
    const { patientId, slot, timeSlot, startsAt, endsAt, createdAt, moves } = appointment
    const { span = 1, serviceId = null } = appointment
    const { status, updatedAt } = shown(day, appointment)
    const when = [slot, timeSlot, startsAt, endsAt, status, createdAt, updatedAt]
    return [[id, patientId, ...when, seq, moves, span, serviceId]]
  })
}

function checkInRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_CHECK_INS)
  const rows = [...changed].flatMap(([appointmentId, seq]) => {
    const checkIn = day.checkIns.get(appointmentId)
    if (!checkIn) return [] // A no-show without a check-in, or a check-in that was undone.
    const { id, position, status, checkedInAt, calledAt } = checkIn
    return [[id, appointmentId, position, status, checkedInAt, seq, calledAt]]
  })
  return [...rows, ...undoneRowsOf(events)]
}

/** The day has forgotten an undone check-in. Its row stays, so that a late copy does not bring it back. */
const undoneRowsOf = (events: Recorded[]): unknown[][] =>
  events.flatMap((event) => {
    if (event.type !== 'unchecked_in') return []
    const { checkInId, appointmentId, position, checkedInAt, seq } = event
    return [[checkInId, appointmentId, position, 'undone', checkedInAt, seq, null]]
  })

const OF_APPOINTMENTS: Event['type'][] = [
  'booked',
  'slot_changed',
  'moved_in',
  'checked_in',
  'unchecked_in',
  'served',
  'unserved',
  'cancelled',
  'no_show',
]
const OF_CHECK_INS: Event['type'][] = [
  'checked_in',
  'called',
  'served',
  'unserved',
  'skipped',
  'requeued',
  'no_show',
]

/** The appointments that events of these types changed, each with the number of its last such event. */
function lastEvents(events: Recorded[], types: Event['type'][]): Map<string, number> {
  const changed = new Map<string, number>()
  for (const event of events)
    if (event.type === 'rebuilt') for (const { id } of event.appointments) changed.set(id, event.seq)
    else if ('appointmentId' in event && types.includes(event.type))
      changed.set(event.appointmentId, event.seq)
  return changed
}
