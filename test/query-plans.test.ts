import { afterEach, expect, test, vi } from 'vitest'
import { USED_DAYS } from '../src/clinic-day/used-days'
import { PATIENTS } from '../src/dashboard/patients'
import { COPIES } from '../src/doctor-day/readers/copied-rows'
import { FIND, FIND_NEW_DAY, FIND_QUEUE } from '../src/doctors/finding'
import { MEDICAL_TEST } from '../src/medical-tests/actions'
import { FIND_PERSON } from '../src/merges/finding'
import { READ_CLAIMS, SWEEP } from '../src/recorder/claims'
import { CLAIM, forOne } from '../src/recorder/kind'
import { WEBHOOK_EVENT } from '../src/webhooks/actions'
import { openFrontDesk } from './clinic'
import { operations } from './conformity'
import { asked, isSlow, planOf } from './plans'

afterEach(() => vi.restoreAllMocks())

const cursorOf = (...sortKey: unknown[]) =>
  `cursor=${Buffer.from(JSON.stringify(sortKey)).toString('base64url')}`

/** Every list that comes in pages, with its filters and a cursor. */
const LISTS: Record<string, string[]> = {
  '/events': [cursorOf('number', 9)],
  '/tests': [cursorOf(9)],
  '/api/v1/clinics': [cursorOf('x')],
  '/api/v1/keys': [cursorOf('x'), 'clinic_id=x'],
  '/api/v1/staff': [cursorOf('x')],
  '/api/v1/services': [cursorOf('x')],
  '/api/v1/closings': [cursorOf('2040-03-14')],
  '/api/v1/slots': [cursorOf('2040-03-14', 'x', 'x', 1), 'from=2040-03-14&to=2040-03-16', 'specialty=x'],
  '/api/v1/audit': [cursorOf(9), 'clinic_id=x'],
  '/api/v1/doctors': [cursorOf('x'), 'date=2040-03-14', 'retired=true', 'specialty=x'],
  '/api/v1/days': [cursorOf('x'), 'date=2040-03-14'],
  '/api/v1/appointments': [
    cursorOf('2040-03-14', 'x'),
    'status=completed',
    'patient_id=x',
    'doctor_id=x',
    'from=2040-03-14',
    'to=2040-03-15',
  ],
  '/api/v1/erasures': [cursorOf(9, 'x'), 'since=2026-11-01T00:00:00Z'],
  '/api/v1/hospitals': [cursorOf('x')],
  '/api/v1/hospitals/jobs': [cursorOf('x')],
  '/api/v1/patients': [cursorOf('x'), 'q=ann+b', 'phone=0101', 'birth_date=1990-01-01', 'identifier=x'],
  '/api/v1/patients/bulk': [cursorOf('x')],
  '/api/v1/tests/bulk/jobs': [cursorOf('x')],
  '/tests/bulk/jobs': [cursorOf('x')],
}

/** Every choice of some of these, the empty one included. */
const choices = ([part, ...others]: string[]): string[][] =>
  part === undefined ? [[]] : choices(others).flatMap((chosen) => [chosen, [part, ...chosen]])

test.each(Object.keys(LISTS))(
  '%s reads no table from end to end and sorts nothing, whatever filters it',
  async (list) => {
    const desk = await openFrontDesk({ scopes: ['*', 'admin', 'clinics:*'] })
    const always = list === '/tests' ? [`clinic_id=${desk.clinicId}`] : []
    for (const chosen of choices(LISTS[list] ?? [])) {
      const url = `${list}?${[...always, ...chosen].join('&')}`
      const queries = await asked(async () => expect([url, (await desk.get(url)).status]).toEqual([url, 200]))
      expect(queries.length).toBeGreaterThan(0)
      for (const query of queries)
        expect([url, query, (await planOf(query)).filter(isSlow)]).toEqual([url, query, []])
    }
  },
)

test('no list is left out', async () => {
  const paged = (await operations()).filter(
    ({ method, path, operation }) =>
      method === 'GET' &&
      !path.includes('{') &&
      operation.parameters?.some((parameter) => 'name' in parameter && parameter.name === 'limit'),
  )
  expect(paged.map(({ path }) => path).toSorted()).toEqual(Object.keys(LISTS).toSorted())
})

test.each([
  ['appointments_by_status', 'status=checked_in'],
  ['appointments_by_status', 'status=no_show&from=2040-03-14'],
  ['appointments_by_patient', 'status=booked&patient_id=x'],
  ['appointments_by_patient', 'status=booked&patient_id=x&doctor_id=y'],
  ['appointments_by_doctor', 'status=completed&doctor_id=x&to=2040-03-14'],
])(
  '%s alone answers ?%s, without reading what is of other patients, doctors or statuses',
  async (index, search) => {
    const desk = await openFrontDesk()
    const [query = ''] = (await asked(() => desk.get(`/api/v1/appointments?${search}`))).filter((text) =>
      text.includes('from "appointments"'),
    )
    expect(await planOf(query)).toEqual([expect.stringContaining(`USING INDEX ${index} (`)])
  },
)

test('the days that were used on a date are found through the doctors of the clinic alone', async () => {
  const steps = await planOf(USED_DAYS)
  expect(steps).toEqual([
    expect.stringContaining('doctors USING INDEX doctors_page (clinic_id=?)'),
    expect.stringContaining(
      'days USING INDEX sqlite_autoindex_days_1 (clinic_id=? AND doctor_id=? AND date=?)',
    ),
  ])
})

test('the patients of a dashboard are found by their ids alone', async () => {
  const steps = await planOf(PATIENTS)
  expect(steps.filter((step) => !/asked VIRTUAL TABLE|SUBQUERY|clinics/.test(step))).toEqual([
    expect.stringContaining(
      'merged USING INDEX sqlite_autoindex_merged_patients_1 (clinic_id=? AND old_id=?)',
    ),
    expect.stringContaining('patients USING INDEX sqlite_autoindex_patients_1 (id=?)'),
  ])
})

const KINDS = [CLAIM, ...COPIES, FIND, FIND_NEW_DAY, FIND_PERSON, FIND_QUEUE, MEDICAL_TEST, WEBHOOK_EVENT]

test.each(KINDS)('a lot of $name finds each row by an index', async ({ claim, statements }) => {
  const ownTables =
    /^(SCAN|SEARCH) (api_keys|appointments|audit|check_ins|days|doctors|aliases|idempotency_keys|medical_tests|merged|merged_patients|patients|services|webhook_events)\b/
  const all = [SWEEP, claim, ...statements, READ_CLAIMS].filter((text) => text !== '')
  for (const statement of [...all, ...all.map(forOne)]) {
    const steps = (await planOf(statement)).filter((step) => ownTables.test(step))
    expect([statement, steps.filter((step) => !/ USING .*(INDEX|PRIMARY KEY)/.test(step))]).toEqual([
      statement,
      [],
    ])
  }
})
