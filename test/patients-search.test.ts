import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { foldName } from '../src/lib/folding'
import { allPages, type Client, keyFor, openClinic, type Reply, times } from './clinic'
import { askedOfPatients, plansOf, rowsRead } from './rows-read'

const PATIENTS = '/api/v1/patients'

interface Person {
  name: string
  phone: string
  birth_date?: string
  identifiers?: { system: string; value: string }[]
}

async function register(clinic: Client, ...people: Person[]): Promise<string[]> {
  const ids: string[] = []
  for (const person of people) {
    const { status, body } = await clinic.post(PATIENTS, { shared_phone: true, ...person })
    expect([person, status]).toEqual([person, 201])
    ids.push(body.id)
  }
  return ids
}

const namesIn = (reply: Reply): string[] => reply.body.map(({ name }: Person) => name)

const find = async (clinic: Client, search: Record<string, string>): Promise<string[]> =>
  namesIn(await clinic.get(`${PATIENTS}?${new URLSearchParams(search)}`))

/** The pages of a search by POST, as `X-Next-Cursor` leads on. */
async function searched(clinic: Client, search: object): Promise<Reply[]> {
  const pages: Reply[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await clinic.post(`${PATIENTS}/search`, { ...search, ...(cursor && { cursor }) })
    pages.push(page)
    cursor = page.headers.get('X-Next-Cursor')
  }
  return pages
}

const PEOPLE: Person[] = [
  { name: 'José Núñez', phone: '+12025550101', birth_date: '1970-01-31' },
  { name: 'Anne-Marie O’Brien', phone: '+12025550102', identifiers: [{ system: 'mrn', value: 'AB-77' }] },
  { name: 'ŁUKASZ Weiß', phone: '+12025550103', birth_date: '1970-01-31' },
  { name: 'Мария Фёдорова', phone: '+49 30 901820' },
  { name: '王小明', phone: '+12025550105;ext=9' },
  { name: 'أحمد فؤاد', phone: '+12025550106' },
  { name: 'Bo Li', phone: '+12025550101', identifiers: [{ system: 'passport', value: 'X 99' }] },
]
const [JOSE, ANNE, LUKASZ, MARIA, WANG, AHMAD, BO] = PEOPLE.map(({ name }) => name)

test('a patient is found by any part of a name, any spelling of a phone, and an own identifier', async () => {
  const clinic = await openClinic({ country: 'US' })
  await register(clinic, ...PEOPLE)
  for (const [q, expected] of [
    ['nunez', [JOSE]],
    ['NÚÑ', [JOSE]],
    ['ose', [JOSE]],
    ['jose nun', [JOSE]],
    ['núñez  JOSÉ ', [JOSE]],
    ['marie', [ANNE]],
    ['e-mar', [ANNE]],
    ["o'br", [ANNE]],
    ['O’BRIEN anne', [ANNE]],
    ['ma', [ANNE]],
    ['br', [ANNE]],
    ['o', [ANNE]],
    ['ri', []],
    ['weiss', [LUKASZ]],
    ['lukasz weiß', [LUKASZ]],
    ['ФЕДОР', [MARIA]],
    ['м', [MARIA]],
    ['王', [WANG]],
    ['王小明', [WANG]],
    ['فواد', [AHMAD]],
    ['li bo', [BO]],
    ['b', [ANNE, BO]],
    ['josé li', []],
    ['', PEOPLE.map(({ name }) => name)],
    [' \u200b ', PEOPLE.map(({ name }) => name)],
    ['(202) 555-0101', [JOSE, BO]],
    ['+1 202 555 0101', [JOSE, BO]],
    ['202.555.0102', [ANNE]],
    ['0103', [LUKASZ]],
    ['50103', [LUKASZ]],
    ['550103', [LUKASZ]],
    ['555-0103', [LUKASZ]],
    ['2 555 0103', [LUKASZ]],
    ['103', []],
    ['٠١٠٣', [LUKASZ]],
    ['1820', [MARIA]],
    ['+4930901820', [MARIA]],
    ['202 555 0105', [WANG]],
    ['202 555 0105 x9', [WANG]],
    ['202 555 0105 x8', []],
    ['bo (202) 555-0101', [BO]],
    ['0101 núñez', [JOSE]],
    ['ab-77', [ANNE]],
    ['anne AB-77', [ANNE]],
    ['ab-7', []],
    ['bo ab-77', []],
    ['x 99', [BO]],
    ['"nunez"', []],
    ['nunez OR weiss', []],
    ['words:nunez', []],
    ['nun*', []],
    ['%', []],
  ] as const) {
    expect([q, await find(clinic, { q })]).toEqual([q, expected])
    expect([q, (await searched(clinic, { q })).flatMap(namesIn)]).toEqual([q, expected])
  }
})

test('apostrophes and hyphens are no gaps, and in scripts without spaces each character begins a word', async () => {
  const clinic = await openClinic({ country: 'US' })
  const names = [
    'Shaun O’Brien',
    'Moira ONeill',
    'Ann-Marie D’Arcy-Lo',
    '李小明',
    '佐藤 さくら',
    '김민준',
    '𠮷田Ken',
  ]
  await register(clinic, ...names.map((name, n) => ({ name, phone: `+1202555${1000 + n}` })))
  const [brien, neill, darcy, li, sato, kim, yoshida] = names
  for (const [q, expected] of [
    ['obrien', [brien]],
    ['ob', [brien]],
    ['shaun OBRIEN', [brien]],
    ['o’neill', [neill]],
    ["o'n", [neill]],
    ['O-N', [neill]],
    ['annmarie', [darcy]],
    ['darcylo', [darcy]],
    ['arcylo', [darcy]],
    ['-', []],
    ["'", []],
    ['小明', [li]],
    ['明', [li]],
    ['小', [li]],
    ['李小明', [li]],
    ['李 小明', [li]],
    ['明李', []],
    ['藤', [sato]],
    ['くら', [sato]],
    ['藤さ', []],
    ['민준', [kim]],
    ['준', [kim]],
    ['田', [yoshida]],
    ['田K', [yoshida]],
    ['K', []],
  ] as const)
    expect([q, await find(clinic, { q })]).toEqual([q, expected])
  const [{ id }] = (await clinic.get(`${PATIENTS}?q=小明`)).body
  await clinic.send('PATCH', `${PATIENTS}/${id}`, '{"name":"Ed O\'Shea"}', { 'If-Match': '*' })
  for (const q of ['小明', '小', '李小明']) expect([q, await find(clinic, { q })]).toEqual([q, []])
  expect(await find(clinic, { q: 'oshea' })).toEqual(["Ed O'Shea"])
})

test('phone, birth date and identifier narrow the list, alone and with words', async () => {
  const clinic = await openClinic({ country: 'US' })
  await register(clinic, ...PEOPLE)
  for (const [search, expected] of [
    [{ phone: '(202) 555-0101' }, [JOSE, BO]],
    [{ phone: '0102' }, [ANNE]],
    [{ phone: '\u202a+1 202 555 0102\u202c' }, [ANNE]],
    [{ phone: '०१०२' }, [ANNE]],
    [{ phone: '102' }, []],
    [{ phone: 'call me' }, []],
    [{ birth_date: '1970-01-31' }, [JOSE, LUKASZ]],
    [{ birth_date: '1970-01-30' }, []],
    [{ birth_date: '1970-01-31', phone: '0103' }, [LUKASZ]],
    [{ birth_date: '1970-01-31', q: 'jos' }, [JOSE]],
    [{ phone: '2025550101', q: 'b' }, [BO]],
    [{ identifier: 'AB-77' }, [ANNE]],
    [{ identifier: 'ab-77' }, [ANNE]],
    [{ identifier: 'mrn|AB-77' }, [ANNE]],
    [{ identifier: '|AB-77' }, [ANNE]],
    [{ identifier: 'passport|AB-77' }, []],
    [{ identifier: 'X 99' }, [BO]],
    [{ identifier: 'mrn|AB-77', q: 'bo' }, []],
    [{ identifier: 'mrn|AB-77', phone: '0102', q: 'anne' }, [ANNE]],
  ] as const) {
    expect([search, await find(clinic, search)]).toEqual([search, expected])
    expect([search, (await searched(clinic, search)).flatMap(namesIn)]).toEqual([search, expected])
  }
})

test('pages of any size lead through what fits once, by Link and by X-Next-Cursor, while others register', async () => {
  const clinic = await openClinic()
  const people = times(23, (n) => ({ name: `Smith ${n}`, phone: `+1202555${1000 + n}` }))
  await register(clinic, ...people)
  for (const search of ['', 'q=smith', 'q=sm', 'phone=2025551003']) {
    const whole = namesIn(await clinic.get(`${PATIENTS}?${search}`))
    for (const size of [1, 2, 5, 22, 23, 24]) {
      const pages = await allPages(clinic, `${PATIENTS}?${search}&limit=${size}`)
      expect([search, size, pages.flatMap(namesIn)]).toEqual([search, size, whole])
      const body = { ...Object.fromEntries(new URLSearchParams(search)), limit: size }
      expect((await searched(clinic, body)).flatMap(namesIn)).toEqual(whole)
    }
  }
  const first = await clinic.post(`${PATIENTS}/search`, { q: 'smith', limit: 10 })
  expect(first.headers.get('Link')).toBeNull()
  await register(clinic, { name: 'Adam Smith', phone: '+12025552000' })
  const cursor = first.headers.get('X-Next-Cursor')
  const rest = await clinic.post(`${PATIENTS}/search`, { q: 'smith', limit: 100, cursor })
  expect([...namesIn(first), ...namesIn(rest)]).toEqual([...people.map(({ name }) => name), 'Adam Smith'])
})

test('a page follows the one before, also after the last patient of that one was erased', async () => {
  const clinic = await openClinic({ scopes: ['*', 'patients:erase'] })
  const people = times(30, (n) => ({ name: `Smith ${n}`, phone: `+1202555${1000 + n}` }))
  const ids = await register(clinic, ...people)
  const names = people.map(({ name }) => name)
  const first = await clinic.get(`${PATIENTS}?limit=2`)
  const cursor = first.headers.get('X-Next-Cursor')
  expect((await clinic.send('DELETE', `${PATIENTS}/${ids[1]}`)).status).toBe(200)
  for (const search of ['', 'q=smith&']) {
    const asked = await askedOfPatients(async () => {
      const second = await clinic.get(`${PATIENTS}?${search}limit=20&cursor=${cursor}`)
      expect([search, namesIn(second)]).toEqual([search, names.slice(2, 22)])
    })
    expect(await rowsRead(asked)).toBeLessThanOrEqual(60)
    const pages = await allPages(clinic, `${PATIENTS}?${search}limit=2&cursor=${cursor}`)
    expect(pages.flatMap(namesIn)).toEqual(names.slice(2))
  }
  const posted = await clinic.post(`${PATIENTS}/search`, { q: 'smith', limit: 1, cursor })
  expect(namesIn(posted)).toEqual(names.slice(2, 3))
  const stranger = await openClinic()
  await register(stranger, ...people.slice(0, 3))
  expect(namesIn(await stranger.get(`${PATIENTS}?cursor=${cursor}`))).toEqual([])
})

test('a name that has a word’s trigrams elsewhere is no match, costs no page its bound, and hides no one', async () => {
  const clinic = await openClinic()
  const people = times(90, (n) => ({
    name: n % 30 === 29 ? `Anan ${n}` : `Ana Nanda ${n}`,
    phone: `+1202555${1000 + n}`,
  }))
  const identified = { name: 'Zoe', phone: '+12025550100', identifiers: [{ system: 'mrn', value: 'anan' }] }
  await register(clinic, ...people.slice(0, 40), identified, ...people.slice(40))
  const asked = await askedOfPatients(() => clinic.get(`${PATIENTS}?q=anan&limit=20`))
  expect(await rowsRead(asked)).toBeLessThanOrEqual(60)
  const pages = await allPages(clinic, `${PATIENTS}?q=anan&limit=20`)
  expect(pages.flatMap(namesIn)).toEqual(['Anan 29', 'Zoe', 'Anan 59', 'Anan 89'])
  expect(pages.length).toBeGreaterThan(1)
})

test('the search reads its index in order, and patients only by row; it sorts nothing', async () => {
  const clinic = await openClinic()
  await register(clinic, ...PEOPLE)
  const { headers } = await clinic.get(`${PATIENTS}?limit=1`)
  const cursor = `cursor=${headers.get('X-Next-Cursor')}`
  for (const search of [
    '',
    'q=smith',
    'q=s',
    'birth_date=1970-01-31',
    'phone=0101',
    `q=smith&${cursor}`,
    cursor,
  ]) {
    const plans = await plansOf(await askedOfPatients(() => clinic.get(`${PATIENTS}?${search}`)))
    expect(plans).toContainEqual(expect.stringMatching(/^SCAN patients_search VIRTUAL TABLE INDEX \d+:M8>$/))
    expect(plans).toContainEqual('SEARCH patients USING INTEGER PRIMARY KEY (rowid=?)')
    expect(
      plans.filter((plan) => /TEMP B-TREE|SCAN (?!patients_search VIRTUAL|json_each)/.test(plan)),
    ).toEqual([])
  }
  const plans = await plansOf(await askedOfPatients(() => clinic.get(`${PATIENTS}?identifier=x`)))
  expect(plans).toContainEqual('SEARCH patient_identifiers USING PRIMARY KEY (clinic_id=? AND lower_value=?)')
  const place = 'EXPLAIN QUERY PLAN SELECT * FROM patients_indexed WHERE place = 1'
  const { results } = await env.DB.prepare(place).all<{ detail: string }>()
  const ofRecursion = /SUBQUERY|CO-ROUTINE|SETUP|CONSTANT ROW|RECURSIVE|positions/
  expect(results.flatMap(({ detail }) => (ofRecursion.test(detail) ? [] : [detail]))).toEqual([
    'SEARCH patients USING INTEGER PRIMARY KEY (rowid=?)',
    expect.stringMatching(/^SEARCH c USING .*INDEX sqlite_autoindex_clinics_1/),
  ])
})

test('of another clinic a search finds, reads and tells nothing, whichever cursor it names', async () => {
  const [mine, theirs] = [await openClinic(), await openClinic()]
  const people = times(60, (n) => ({ ...PEOPLE[1], name: `Anne ${n}`, phone: `+1202555${1000 + n}` }))
  const foreign = people.map((person, n) => ({
    ...person,
    identifiers: [{ system: 'mrn', value: `AB-${n}` }],
  }))
  await register(theirs, ...foreign)
  const [id] = await register(mine, { ...foreign[7], name: 'Anne', phone: '+12025551007' } as Person)
  for (const search of [
    '',
    'q=anne',
    'q=an',
    'phone=1007',
    'q=ab-7',
    'identifier=mrn|AB-7',
    'q=AB-8',
    'q=1008',
  ]) {
    const asked = await askedOfPatients(async () => {
      const { body, headers } = await mine.get(`${PATIENTS}?${search}&limit=5`)
      expect([search, body.map((one: { id: string }) => one.id)]).toEqual([
        search,
        /8$/.test(search) ? [] : [id],
      ])
      expect([search, headers.get('Link'), headers.get('X-Next-Cursor')]).toEqual([search, null, null])
    })
    expect(await rowsRead(asked)).toBeLessThanOrEqual(8)
  }
  const { headers, body } = await theirs.get(`${PATIENTS}?q=anne&limit=3`)
  const cursor = headers.get('X-Next-Cursor') ?? ''
  expect(JSON.parse(Buffer.from(cursor, 'base64url').toString())).toEqual([body[2].id])
  for (const search of [`cursor=${cursor}`, `q=anne&cursor=${cursor}`]) {
    expect((await mine.get(`${PATIENTS}?${search}`)).body).toEqual([])
    expect((await theirs.get(`${PATIENTS}?${search}`)).body).toHaveLength(57)
  }
  const made = Buffer.from('["nobody"]').toString('base64url')
  expect((await mine.get(`${PATIENTS}?cursor=${made}`)).body).toEqual([])
})

test('the index follows names, phones, birth dates and identifiers, and keeps nothing of what is gone', async () => {
  const clinic = await openClinic()
  const [id] = await register(clinic, {
    name: 'Ꙗꙗꙗ Ꙣ',
    phone: '+12025550101',
    birth_date: '1970-01-31',
    identifiers: [{ system: 'mrn', value: 'old' }],
  })
  await register(clinic, { name: 'Other', phone: '+12025550109' })
  const traces = async () => {
    const stored = env.DB.prepare('SELECT count(*) AS n FROM patients_search_data WHERE instr(hex(block), ?)')
    const hex = (text: string) => Buffer.from(text).toString('hex').toUpperCase()
    return Promise.all(['ꙗꙗ', '\u{ffdd2}'].map((text) => stored.bind(hex(text)).first<number>('n')))
  }
  expect((await traces())[0]).toBe(1)
  const changed = {
    name: 'Neu',
    phone: '+12025550102',
    birth_date: '1971-02-01',
    identifiers: [{ system: 'mrn', value: 'new' }],
  }
  const reply = await clinic.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify(changed), {
    'If-Match': '"1"',
  })
  expect(reply.status).toBe(200)
  for (const search of ['q=ꙗꙗꙗ', 'q=Ꙣ', 'q=0101', 'birth_date=1970-01-31', 'q=old', 'identifier=mrn|old'])
    expect([search, (await clinic.get(`${PATIENTS}?${search}`)).body]).toEqual([search, []])
  for (const search of ['q=neu', 'q=n', 'q=0102', 'birth_date=1971-02-01', 'q=NEW', 'identifier=mrn|new'])
    expect([search, (await clinic.get(`${PATIENTS}?${search}`)).body]).toMatchObject([search, [{ id }]])
  expect((await traces())[0]).toBe(0)
  await env.DB.prepare('DELETE FROM patients WHERE id = ?').bind(id).run()
  expect(await find(clinic, {})).toEqual(['Other'])
  expect(await find(clinic, { q: 'new' })).toEqual([])
  const left = 'SELECT count(*) AS n FROM patient_identifiers WHERE clinic_id = ?'
  expect(await env.DB.prepare(left).bind(clinic.clinicId).first('n')).toBe(0)
})

test('patients of before are found by today’s spelling once their names are folded anew, and by the old one', async () => {
  const clinic = await openClinic()
  await env.DB.prepare(
    `INSERT INTO patients (id, clinic_id, name, name_folded, phone, phone_owner, created_at, op_id)
     VALUES (?1 || 'p', ?1, 'O’Brien', 'o’brien', '+12025550101', '+12025550101', 1, 'o')`,
  )
    .bind(clinic.clinicId)
    .run()
  expect([await find(clinic, { q: 'o’brien' }), await find(clinic, { q: "O'BRIEN" })]).toEqual([
    ['O’Brien'],
    [],
  ])
  expect((await clinic.post(PATIENTS, { name: "o'brien", phone: '+12025550101' })).status).toBe(200)
  expect([await find(clinic, { q: 'o’brien' }), await find(clinic, { q: "O'BRIEN" })]).toEqual([
    ['O’Brien'],
    ['O’Brien'],
  ])
})

test.each([
  ['q', 'x'.repeat(201)],
  ['q', 'a\u202eb'],
  ['q', times(21, () => 'a').join(' ')],
  ['phone', ' '],
  ['birth_date', '1970-02-30'],
  ['birth_date', 'soon'],
  ['identifier', ''],
  ['limit', '0'],
  ['cursor', 'x'],
])('a search with a bad %s is 400, by GET and by POST', async (field, value) => {
  const clinic = await openClinic()
  const replies = [
    await clinic.get(`${PATIENTS}?${new URLSearchParams({ [field]: value })}`),
    await clinic.post(`${PATIENTS}/search`, { [field]: field === 'limit' ? Number(value) : value }),
  ]
  for (const { status, body } of replies) expect([status, body.errors?.[0].field]).toEqual([400, field])
})

test('a search needs the scope to read patients, changes nothing, and refuses unknown fields', async () => {
  const clinic = await openClinic()
  await register(clinic, ...PEOPLE)
  const writer = await keyFor(clinic.clinicId, ['patients:write'])
  const reader = await keyFor(clinic.clinicId, ['patients:read'])
  for (const key of [writer, reader]) {
    const replies = [await key.get(PATIENTS), await key.post(`${PATIENTS}/search`, { q: 'li' })]
    expect(replies.map(({ status }) => status)).toEqual(key === reader ? [200, 200] : [403, 403])
  }
  const before = (await clinic.get('/api/v1/audit')).body
  const keyed = { 'Idempotency-Key': 'search' }
  expect((await clinic.post(`${PATIENTS}/search`, { q: 'li' }, keyed)).body).toHaveLength(1)
  expect((await clinic.post(`${PATIENTS}/search`, { q: 'jos' }, keyed)).body).toMatchObject([{ name: JOSE }])
  expect((await clinic.get('/api/v1/audit')).body).toEqual(before)
  expect((await clinic.post(`${PATIENTS}/search`, { name: 'li' })).status).toBe(400)
  expect((await clinic.get(`${PATIENTS}?name=li`)).status).toBe(400)
  expect((await clinic.get(`${PATIENTS}/search`)).status).toBe(400)
})

test('the search by POST takes null as no field, and limits as GET does', async () => {
  const clinic = await openClinic()
  await register(clinic, ...PEOPLE)
  const nothing = { q: null, phone: null, birth_date: null, identifier: null, cursor: null, limit: null }
  expect((await clinic.post(`${PATIENTS}/search`, nothing)).body).toHaveLength(PEOPLE.length)
  expect((await clinic.post(`${PATIENTS}/search`, { limit: 5_000 })).body).toHaveLength(PEOPLE.length)
})

const GIVEN = [
  'Anna',
  'José',
  'Łukasz',
  'Мария',
  'Фёдор',
  'أحمد',
  '小明',
  'Jean-Luc',
  'Bo',
  'Ñandú',
  'राम',
  'Ann',
]
const FAMILY = [
  'Smith',
  'Smithson',
  'O’Brien',
  'Weiß',
  'Фёдорова',
  'فؤاد',
  '王',
  'Ng',
  'Núñez',
  'Anand',
  'Li',
]

const joined = (word: string): string => word.replace(/[-']/g, '')

/** Who fits, in plain words: for each word some reason. */
function fitsPlainly({ name, phone, identifiers = [] }: Person, q: string): boolean {
  const apart = foldName(name).split(' ')
  const words = [...apart, ...apart.map(joined)]
  const begins = [...words, ...apart.flatMap((word) => word.split(/[-']/))]
  const occurs = (word: string) =>
    word !== '' &&
    (word.length > 2 || /\p{Script=Han}/u.test(word)
      ? words.some((one) => one.includes(word))
      : begins.some((one) => one.startsWith(word)))
  return foldName(q)
    .split(' ')
    .every(
      (word) =>
        [word, joined(word)].some(occurs) ||
        identifiers.some(({ value }) => value.toLowerCase() === word) ||
        (/^\d{4,}$/.test(word) && phone.endsWith(word)),
    )
}

test('after any sequence of registrations and changes a search finds whom a look at each patient finds', async () => {
  const clinic = await openClinic()
  const random = seeded(7)
  const below = (limit: number) => Math.floor(random() * limit)
  const one = <T>(list: readonly T[]): T => list[below(list.length)] as T
  const known = new Map<string, Person>()
  const person = (n: number): Person => ({
    name: [one(GIVEN), ...(below(3) ? [one(FAMILY)] : []), ...(below(4) ? [] : [one(GIVEN)])].join(' '),
    phone: `+1202555${1000 + below(3_000)}`,
    identifiers: below(3) ? [] : [{ system: 'mrn', value: `M${n}` }],
  })
  const part = (text: string): string => {
    const characters = [...text]
    const from = below(2) ? 0 : below(characters.length)
    return characters.slice(from, from + 1 + below(5)).join('')
  }
  const question = (): string => {
    const { name, phone, identifiers } = one([...known.values()])
    const word = () => part(one(name.split(' ')))
    const asked = [word, () => `${word()} ${word()}`, () => `${word()} ${part(one(FAMILY))}`]
    const numbers = [() => phone.slice(-4 - below(7)), () => `${word()} ${phone.slice(-4)}`]
    const named = [
      () => identifiers?.[0]?.value ?? 'm1',
      () => `${word()} ${identifiers?.[0]?.value ?? 'M1'}`,
    ]
    return one([...asked, ...numbers, ...named])().trim()
  }
  for (let step = 0; step < 200; step += 1) {
    const fields = person(step)
    const ids = [...known.keys()]
    const id = below(4) ? undefined : ids[below(ids.length)]
    if (id === undefined) {
      const { status, body } = await clinic.post(PATIENTS, { ...fields, shared_phone: true, age: below(100) })
      if (status === 201) known.set(body.id, fields)
      expect([200, 201]).toContain(status)
    } else {
      const { headers } = await clinic.get(`${PATIENTS}/${id}`)
      const match = { 'If-Match': headers.get('ETag') ?? '' }
      const body = JSON.stringify({ ...fields, shared_phone: true })
      const { status } = await clinic.send('PATCH', `${PATIENTS}/${id}`, body, match)
      if (status === 200) known.set(id, fields)
      expect([200, 409]).toContain(status)
    }
  }
  expect(known.size).toBeGreaterThan(100)
  let found = 0
  for (let n = 0; n < 150; n += 1) {
    const q = question()
    if (foldName(q) === '') continue
    const expected = [...known].filter(([, known]) => fitsPlainly(known, q)).map(([id]) => id)
    const pages = await searched(clinic, { q, limit: 1 + below(30) })
    const got = pages.flatMap(({ body }) => body.map(({ id }: { id: string }) => id))
    expect([q, got]).toEqual([q, expected])
    found += got.length
  }
  expect(found).toBeGreaterThan(300)
})

test('the index costs a registration one row written, and a change of other fields none', async () => {
  const clinic = await openClinic()
  const insert = env.DB.prepare(
    `INSERT INTO patients (id, clinic_id, name, name_folded, phone, phone_owner, created_at, op_id, folding, birth_date)
     VALUES (?1, ?1, 'Ada', 'ada', '+12025550101', '+12025550101', 1, 'o', 2, '1990-01-01')`,
  )
  const change = (columns: string) =>
    env.DB.prepare(`UPDATE patients SET ${columns} WHERE id = ?`).bind(clinic.clinicId).run()
  const [table, indexes, search] = [1, 3, 1]
  expect((await insert.bind(clinic.clinicId).run()).meta.rows_written).toBe(table + indexes + search)
  expect((await change(`notes = 'x', name_folded = 'ada'`)).meta.rows_written).toBeLessThanOrEqual(table + 1)
  const identified = await change(`identifiers = '[{"system":"mrn","value":"1"}]'`)
  expect(identified.meta.rows_written).toBe(table + 1)
})
