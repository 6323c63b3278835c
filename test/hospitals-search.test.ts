import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { allPages, type Client, openClinic, times } from './clinic'
import { csv, HOSPITALS, imported } from './directory'

afterEach(() => {
  vi.restoreAllMocks()
})

const find = async (clinic: Client, q: string, more = ''): Promise<string[]> =>
  (await clinic.get(`${HOSPITALS}?q=${encodeURIComponent(q)}${more}`)).body.map(
    ({ name }: { name: string }) => name,
  )

/** Hospitals as if they had been imported: one batch, `name` and `address` as they are given. */
async function stored(clinic: Client, rows: [name: string, folded: string][], batch = 'b'): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `INSERT OR IGNORE INTO imports (id, clinic_id, batch_id, state, total_rows, created_at, activated_at)
       VALUES (?1 || ?2, ?1, ?2, 'completed', 1, 1, 1)`,
    ).bind(clinic.clinicId, batch),
    env.DB.prepare(
      `INSERT INTO hospitals (clinic_id, id, batch_id, name, address, folded, created_at)
       SELECT ?1, ?3 || printf('-%07d', key), ?3, value->>0, 'Street', value->>1, 1 FROM json_each(?2)`,
    ).bind(clinic.clinicId, JSON.stringify(rows), batch),
  ])
}

const plain = (count: number, name: (n: number) => string): [string, string][] =>
  times(count, (n) => [name(n), `${name(n).toLowerCase()}\nstreet`])

/** The plans of the statements that read hospitals while `work` runs. */
async function plansOf(work: () => Promise<unknown>): Promise<string[]> {
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  await work()
  const asked = prepared.mock.calls
    .map(([text]) => text)
    .filter((text) => /from "?hospitals|from \(SELECT/i.test(text))
  prepared.mockRestore()
  const plans = asked.map(async (text) => {
    const values = times(text.split('?').length - 1, () => '"abc"')
    return (
      await env.DB.prepare(`EXPLAIN QUERY PLAN ${text}`)
        .bind(...values)
        .all<{ detail: string }>()
    ).results
  })
  return (await Promise.all(plans)).flat().map(({ detail }) => detail)
}

test('a search reads what its index finds, and the table only by row', async () => {
  const clinic = await openClinic()
  await stored(
    clinic,
    plain(20, (n) => `Harbour ${n}`),
  )
  for (const search of ['q=harbour', 'q=harbour+12&cursor=WyJ4Il0', 'q=straße&limit=5']) {
    const plans = await plansOf(() => clinic.get(`${HOSPITALS}?${search}`))
    expect(plans).toContainEqual(expect.stringMatching(/SCAN hospitals_search VIRTUAL TABLE INDEX/))
    expect(plans).toContainEqual(expect.stringMatching(/SEARCH hospitals USING INTEGER PRIMARY KEY/))
    expect(plans.filter((plan) => /SCAN (hospitals|imports)\b(?! VIRTUAL)/.test(plan))).toEqual([])
  }
})

test('a list without words, or with words of one or two characters, goes along the index of its order', async () => {
  const clinic = await openClinic()
  await stored(
    clinic,
    plain(3, (n) => `Harbour ${n}`),
  )
  for (const search of ['', 'q=ha', 'q=a+b']) {
    const plans = await plansOf(() => clinic.get(`${HOSPITALS}?${search}`))
    expect(plans).toContainEqual(expect.stringMatching(/SEARCH hospitals USING .*clinic_id=\? AND id>\?/))
    expect(plans.filter((plan) => /SCAN (hospitals|imports)\b/.test(plan))).toEqual([])
  }
})

test.each([
  ['harbour', ['Harbour View', 'Old Harbour']],
  ['rbou', ['Harbour View', 'Old Harbour']],
  ['old harb', ['Old Harbour']],
  ['ew', ['Harbour View']],
  ['vi harbour', ['Harbour View']],
  ['"view"', []],
  ["o'con", ['O’Connor']],
  ['O’CONNOR', ['O’Connor']],
  ['a OR b', []],
  ['NEAR(view)', []],
  ['folded:view', []],
  ['vie*', []],
  ['北京大学', ['北京大学第一医院']],
  ['学第一医', ['北京大学第一医院']],
  ['大学', ['北京大学第一医院']],
  ['strasse', ['Weiß', 'Klinik']],
  ['WEISS', ['Weiß']],
  ['😀😀😀', ['Smile 😀😀😀']],
  ['-- "', []],
])('the search for %s finds %j', async (q, expected) => {
  const clinic = await openClinic()
  const rows = [
    'Harbour View,1 A Rd,',
    'Old Harbour,2 B Rd,',
    'O’Connor,3 C Rd,',
    '北京大学第一医院,西什库大街,',
  ]
  await imported(
    clinic,
    csv(...rows, 'Weiß,Hauptstraße 1,', 'Klinik,Lange Strasse 2,', 'Smile 😀😀😀,4 D Rd,'),
  )
  expect(await find(clinic, q)).toEqual(expected)
})

test('words that nearly all hospitals have lead through the directory page by page, in its order', async () => {
  const clinic = await openClinic()
  await stored(
    clinic,
    plain(1_500, (n) => `Hospital ${n}`),
  )
  for (const q of ['hospital', 'os', 'hospital street']) {
    const pages = await allPages(clinic, `${HOSPITALS}?q=${encodeURIComponent(q)}&limit=700`)
    expect(pages.map(({ body }) => body.length)).toEqual([700, 700, 100])
    expect(pages.flatMap(({ body }) => body.map(({ name }: { name: string }) => name))).toEqual(
      times(1_500, (n) => `Hospital ${n}`),
    )
  }
  expect(await find(clinic, 'hospital 1499')).toEqual(['Hospital 1499'])
  const pages = await allPages(clinic, `${HOSPITALS}?q=hospital+77&limit=3`)
  expect(pages.flatMap(({ body }) => body.map(({ name }: { name: string }) => name))).toEqual(
    times(1_500, (n) => `Hospital ${n}`).filter((name) => name.includes('77')),
  )
})

test('a search without its index reads a bounded number of rows a page, and no hospital is left out', async () => {
  const clinic = await openClinic()
  await stored(
    clinic,
    plain(20_300, (n) => (n === 20_200 ? 'Needle qx' : `Hospital ${n}`)),
  )
  const pages = await allPages(clinic, `${HOSPITALS}?q=qx`)
  expect(pages.map(({ body }) => body.length)).toEqual([0, 1])
})

test('of other clinics a search reads nothing, and a thousand equal names of theirs hide none of one’s own', async () => {
  const [mine, theirs] = [await openClinic(), await openClinic()]
  await stored(
    theirs,
    plain(1_200, (n) => `Berlin ${n}`),
    't',
  )
  await stored(
    mine,
    plain(2, (n) => `Berlin ${n}`),
    'm',
  )
  const plans = await plansOf(async () => {
    expect(await find(mine, 'berlin')).toEqual(['Berlin 0', 'Berlin 1'])
  })
  expect(plans.filter((plan) => /id>\?/.test(plan))).toEqual([])
})

test('the index follows what is written, changed and deleted', async () => {
  const clinic = await openClinic()
  await stored(
    clinic,
    plain(2, (n) => `Harbour ${n}`),
  )
  const change = (statement: string) => env.DB.prepare(statement).bind(clinic.clinicId).run()
  await change(`UPDATE hospitals SET name = 'Lake', folded = 'lake' WHERE clinic_id = ? AND id LIKE '%1'`)
  expect([await find(clinic, 'harbour'), await find(clinic, 'lake')]).toEqual([['Harbour 0'], ['Lake']])
  await change('DELETE FROM hospitals WHERE clinic_id = ?')
  expect([await find(clinic, 'harbour'), await find(clinic, 'lake')]).toEqual([[], []])
  const counted = await env.DB.prepare(
    "SELECT count(*) AS n FROM hospitals_search WHERE hospitals_search MATCH 'lak'",
  )
  expect(await counted.first('n')).toBe(0)
})

test('hospitals stored under the older folding are found, and the same file makes no second one', async () => {
  const clinic = await openClinic()
  await stored(clinic, [['St. Mary’s', 'st. mary’s\nhauptstraße 1']])
  await imported(clinic, csv('St. Mary’s,Hauptstraße 2,'))
  for (const q of ['mary’s', 'hauptstraße', 'MARY’S HAUPTSTRASSE'.replace('SS', 'ß')])
    expect([q, await find(clinic, q)]).toEqual([q, ['St. Mary’s', 'St. Mary’s']])
  const { body } = await imported(clinic, csv('St. Mary’s,Hauptstraße 1,'))
  expect(body.result.hospitals).toMatchObject([{ status: 'failed', reason: 'duplicate_in_directory' }])
})

test('a thousand rows write a bounded number of rows more than before', async () => {
  const clinic = await openClinic()
  const insert = env.DB.prepare(
    `INSERT INTO hospitals (clinic_id, id, batch_id, name, address, folded, created_at)
     SELECT ?1, 'x' || value, 'b', 'n', 'a', 'hospital of the town ' || value, 1
     FROM json_each(?2)`,
  )
  const { meta } = await insert.bind(clinic.clinicId, JSON.stringify(times(1_000, (n) => n))).run()
  expect(meta.rows_written).toBeLessThan(6_000)
})
