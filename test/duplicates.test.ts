import { expect, test } from 'vitest'
import { openClinic, times } from './clinic'
import { merge, PATIENTS, register } from './merging'
import { askedOfPatients, plansOf, rowsRead } from './rows-read'

const BORN = '1990-05-05'
const ADA = ['Ada Lovelace', '+12025550101', { birth_date: BORN }] as const

const duplicatesOf = async (clinic: Awaited<ReturnType<typeof openClinic>>, id: string, search = '') =>
  (await clinic.get(`${PATIENTS}/${id}/duplicates${search}`)).body as {
    id: string
    score: number
    agrees: string[]
  }[]

test('patients who agree in two of phone, name and birth date, or in the full name, are suggested, the likeliest first', async () => {
  const clinic = await openClinic()
  const own = await register(clinic, ...ADA)
  const shared = { shared_phone: true }
  const twin = await register(clinic, 'Ada Lovelase', ADA[1], { ...shared, birth_date: BORN })
  const moved = await register(clinic, 'Lovelace Ada', '+12025550999', { birth_date: BORN })
  const slip = await register(clinic, ADA[0], ADA[1], { ...shared, birth_date: '1990-05-06' })
  await register(clinic, 'Grace Hopper', ADA[1], shared)
  const elsewhere = await register(clinic, 'ADA  Lovelace', '+12025550888')
  await register(clinic, ADA[0], '+12025550889', { birth_date: '1955-01-01' })
  await register(clinic, 'Ada Lovelase', '+12025550887')
  await register(clinic, 'Grace Hopper', '+12025550777', { birth_date: BORN })
  const found = await duplicatesOf(clinic, own)
  expect(found.map(({ id, agrees }) => [id, agrees])).toEqual([
    [twin, ['phone', 'name', 'birth_date']],
    [moved, ['name', 'birth_date']],
    [slip, ['phone', 'name']],
    [elsewhere, ['name']],
  ])
  expect(found[0]).toMatchObject({ name: 'Ada Lovelase', phone: ADA[1], birth_date: BORN })
  const scores = found.map(({ score }) => score)
  expect(scores).toEqual(scores.toSorted((a, b) => b - a))
  expect(Math.min(...scores)).toBeGreaterThanOrEqual(50)
  expect(Math.max(...scores)).toBeLessThanOrEqual(100)
  expect(await duplicatesOf(clinic, own, '?limit=1')).toEqual(found.slice(0, 1))
})

test('of a name of one word, which many people have, the same name alone suggests nobody', async () => {
  const clinic = await openClinic()
  const own = await register(clinic, 'Madonna', '+12025550101')
  await register(clinic, 'Madonna', '+12025550102')
  expect(await duplicatesOf(clinic, own)).toEqual([])
})

test('a merged record is no duplicate, and an old record that agrees suggests the one in use', async () => {
  const clinic = await openClinic()
  const own = await register(clinic, ...ADA)
  const old = await register(clinic, 'Ada Lovelace', '+12025550202', { birth_date: BORN })
  expect(await duplicatesOf(clinic, own)).toMatchObject([{ id: old }])
  await merge(clinic, old, own)
  expect(await duplicatesOf(clinic, own)).toEqual([])
  expect(await duplicatesOf(clinic, old)).toEqual([])
  const more = { shared_phone: true, birth_date: BORN }
  const third = await register(clinic, 'Ada Lovelas', '+12025550202', more)
  expect(await duplicatesOf(clinic, third)).toMatchObject([
    { id: own, phone: ADA[1], agrees: ['phone', 'name', 'birth_date'] },
  ])
})

test('other clinics suggest nobody, and a patient who stands alone has no duplicates', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const own = await register(clinic, ...ADA)
  await register(other, ...ADA)
  expect(await duplicatesOf(clinic, own)).toEqual([])
  expect((await other.get(`${PATIENTS}/${own}/duplicates`)).status).toBe(404)
  expect((await clinic.get(`${PATIENTS}/${own}/duplicates?limit=0`)).status).toBe(400)
})

test('however many patients have the name or the phone, at most some hundred rows are read, each by an index', async () => {
  const clinic = await openClinic()
  const own = await register(clinic, ...ADA)
  await Promise.all(
    times(300, (n) =>
      register(clinic, ADA[0], n % 2 ? ADA[1] : `+1202556${String(n).padStart(4, '0')}`, {
        shared_phone: true,
        birth_date: `19${10 + (n % 80)}-01-01`,
      }),
    ),
  )
  const asked = await askedOfPatients(() => duplicatesOf(clinic, own))
  expect(asked.length).toBeGreaterThan(2)
  expect(await rowsRead(asked)).toBeLessThan(900)
  const slow = (await plansOf(asked)).filter((step) => /TEMP B-TREE|^SCAN (?!.*VIRTUAL)/.test(step))
  expect(slow).toEqual([])
})
