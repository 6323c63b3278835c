import { beforeAll, expect, inject, test } from 'vitest'
import { type Client, openClinic } from './clinic'
import { NEVER_TOGETHER, searchesOf, storeCrowd } from './crowd'
import { rounds } from './rounds'
import { askedOfPatients, rowsRead } from './rows-read'

/** What a search reads and how long it takes, however many patients a clinic has: a million with `--full`. */

const PATIENTS = '/api/v1/patients'
const [FEW, MANY] = [1_000, inject('isFull') ? 1_000_000 : 20_000]
const PAGE = 50
const FILL_MS_MAX = 600_000

/** The clinic, and searches for patients that it has. */
interface Crowd {
  clinic: Client
  searches: [what: string, search: string][]
}

async function crowdOf(size: number): Promise<Crowd> {
  const clinic = await openClinic()
  await storeCrowd(clinic, size)
  return { clinic, searches: await searchesOf(clinic, size) }
}

let few: Crowd
let many: Crowd

beforeAll(async () => {
  few = await crowdOf(FEW)
  many = await crowdOf(MANY)
}, FILL_MS_MAX)

/** The rows that D1 reads for each of the first pages. */
async function readBy({ clinic }: Crowd, search: string): Promise<number[]> {
  const read: number[] = []
  for (let url: string | undefined = `${PATIENTS}?${search}&limit=${PAGE}`; url && read.length < 3; ) {
    const here: string = url
    const asked = await askedOfPatients(async () => {
      url = (await clinic.get(here)).headers.get('Link')?.match(/^<(.+)>/)?.[1]
    })
    read.push(await rowsRead(asked))
  }
  return read
}

test('no search reads more than three rows for each patient that a page can have, on its first pages or later', async () => {
  for (const [n, [what, search]] of many.searches.entries()) {
    const read = await readBy(many, search)
    console.log(
      `${what}: rows read of ${FEW}: ${await readBy(few, few.searches[n]?.[1] ?? '')}; of ${MANY}: ${read}`,
    )
    expect([what, Math.max(...read) <= 3 * PAGE]).toEqual([what, true])
  }
})

/** The clock of the runtime counts whole milliseconds, so a sample is many requests. */
const [SAMPLES, REQUESTS] = [rounds(5, 15), 10]
const SLACK_MS = 1

async function sample({ clinic }: Crowd, search: string): Promise<number> {
  const start = performance.now()
  for (let n = 0; n < REQUESTS; n += 1) await clinic.get(`${PATIENTS}?${search}&limit=${PAGE}`)
  return (performance.now() - start) / REQUESTS
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** The same search among few and among many, and a full page of few, in turns. */
async function timesOf(n: number) {
  const [ofFew = '', ofMany = ''] = [few.searches[n]?.[1], many.searches[n]?.[1]]
  const samples: [number, number, number][] = []
  for (let round = 0; round < SAMPLES; round += 1)
    samples.push([await sample(few, ofFew), await sample(many, ofMany), await sample(few, '')])
  const [short = 0, long = 0, fullPage = 0] = [0, 1, 2].map((one) =>
    median(samples.map((times) => times[one] ?? 0)),
  )
  return { short, long, fullPage }
}

test(
  'a search takes at most twice as long as among a thousand patients, or as a full page there',
  async () => {
    for (const [n, [what]] of many.searches.slice(0, rounds(3, many.searches.length)).entries()) {
      if (what === NEVER_TOGETHER) continue
      const { short, long, fullPage } = await timesOf(n)
      const told = [short, long, fullPage].map((ms) => ms.toFixed(1))
      console.log(
        `${what}: p50 ms of ${FEW}: ${told[0]}; of ${MANY}: ${told[1]}; a full page of ${FEW}: ${told[2]}`,
      )
      expect([what, long <= 2 * Math.max(short, fullPage) + SLACK_MS]).toEqual([what, true])
    }
  },
  FILL_MS_MAX,
)
