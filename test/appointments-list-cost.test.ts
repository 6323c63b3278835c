import { env } from 'cloudflare:workers'
import { beforeAll, expect, inject, test } from 'vitest'
import { type Client, openFrontDesk } from './clinic'
import { rounds } from './rounds'
import { askedOf, rowsRead } from './rows-read'

/** What a list of appointments reads and how long it takes, however many there are: a million with `--full`. */

const [FEW, MANY] = [1_000, inject('isFull') ? 1_000_000 : 20_000]
const PAGE = 50
const FILL_MS_MAX = 600_000
const STEP = 50_000

/** Fifty doctors, a patient for each ten visits, six years of dates; one visit in a hundred is a no-show. */
async function storeVisits({ clinicId }: Client, size: number): Promise<void> {
  for (let from = 0; from < size; from += STEP)
    await env.DB.prepare(
      `WITH RECURSIVE numbers(i) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ?2)
       INSERT INTO appointments (id, clinic_id, doctor_id, patient_id, date, slot, status, created_at, updated_at, version)
       SELECT ?3 || printf('-%07d', i), ?3, 'doctor-' || (i % 50), 'patient-' || (i * 7919 % ?4),
         date('2030-01-01', '+' || (i * 40503 % 2190) || ' days'), i % 30 + 1,
         CASE WHEN i % 100 = 3 THEN 'no_show' WHEN i % 10 = 4 THEN 'cancelled' ELSE 'booked' END, 1, 1, 1
       FROM numbers`,
    )
      .bind(from, Math.min(from + STEP, size), clinicId, size / 10)
      .run()
}

let few: Client
let many: Client

beforeAll(async () => {
  few = await openFrontDesk()
  await storeVisits(few, FEW)
  many = await openFrontDesk()
  await storeVisits(many, MANY)
}, FILL_MS_MAX)

const LISTS: [what: string, search: string][] = [
  ['everything', ''],
  ['of a patient', 'patient_id=patient-17'],
  ['of a doctor', 'doctor_id=doctor-7'],
  ['of a doctor in a month', 'doctor_id=doctor-7&from=2033-05-01&to=2033-05-31'],
  ['of a day', 'from=2033-05-05&to=2033-05-05'],
  ['of some years', 'from=2032-01-01&to=2034-12-31'],
  ['no-shows', 'status=no_show'],
  ['what is booked in a month', 'status=booked&from=2033-05-01&to=2033-05-31'],
  ['what a patient has cancelled', 'patient_id=patient-17&status=cancelled'],
]

async function readBy(clinic: Client, search: string): Promise<number[]> {
  const read: number[] = []
  for (
    let url: string | undefined = `/api/v1/appointments?${search}&limit=${PAGE}`;
    url && read.length < 3;
  ) {
    const here: string = url
    const asked = await askedOf('appointments', async () => {
      url = (await clinic.get(here)).headers.get('Link')?.match(/^<(.+)>/)?.[1]
    })
    expect(asked).not.toEqual([])
    read.push(await rowsRead(asked))
  }
  return read
}

test('no list of appointments reads more than three rows for each one that a page can have', async () => {
  for (const [what, search] of LISTS) {
    const [ofFew, ofMany] = [await readBy(few, search), await readBy(many, search)]
    console.log(`${what}: rows read of ${FEW}: ${ofFew}; of ${MANY}: ${ofMany}`)
    expect([what, Math.max(...ofMany) <= 3 * PAGE]).toEqual([what, true])
  }
})

test('the visits of a doctor with one status are found among those of the dates that were asked for', async () => {
  const visits = MANY / 50
  const read = await readBy(many, 'doctor_id=doctor-3&status=no_show&from=2033-05-01&to=2033-05-31')
  expect(Math.max(...read)).toBeLessThanOrEqual(Math.max(3 * PAGE, visits))
})

/** The clock of the runtime counts whole milliseconds, so a sample is many requests. */
const [SAMPLES, REQUESTS] = [rounds(3, 15), 10]
const SLACK_MS = 1

async function sample(clinic: Client, search: string): Promise<number> {
  const start = performance.now()
  for (let n = 0; n < REQUESTS; n += 1) await clinic.get(`/api/v1/appointments?${search}&limit=${PAGE}`)
  return (performance.now() - start) / REQUESTS
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test(
  'a list takes at most twice as long as among a thousand appointments, or as a full page there',
  async () => {
    for (const [what, search] of LISTS.slice(0, rounds(4, LISTS.length))) {
      const samples: [number, number, number][] = []
      for (let round = 0; round < SAMPLES; round += 1)
        samples.push([await sample(few, search), await sample(many, search), await sample(few, '')])
      const [short = 0, long = 0, page = 0] = [0, 1, 2].map((one) =>
        median(samples.map((times) => times[one] ?? 0)),
      )
      const told = [short, long, page].map((ms) => ms.toFixed(1))
      console.log(
        `${what}: p50 ms of ${FEW}: ${told[0]}; of ${MANY}: ${told[1]}; a full page of ${FEW}: ${told[2]}`,
      )
      expect([what, long <= 2 * Math.max(short, page) + SLACK_MS]).toEqual([what, true])
    }
  },
  FILL_MS_MAX,
)
