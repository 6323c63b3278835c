import { afterEach, expect, test, vi } from 'vitest'
import { allPages, type Client, keyFor, openClinic, times } from './clinic'
import { csv, HOSPITALS, heldQueue, imported, manyRows, upload } from './directory'

afterEach(() => {
  vi.restoreAllMocks()
})

const names = async (clinic: Client, query: string): Promise<string[]> =>
  (await clinic.get(`${HOSPITALS}?${query}`)).body.map(({ name }: { name: string }) => name)

/** Every page; their sizes show that they were pages. */
const pagesFrom = async (clinic: Client, path: string): Promise<unknown[]> =>
  (await allPages(clinic, path)).map(({ body }) => body)

test('a hospital is listed with its fields, and found by its id', async () => {
  const clinic = await openClinic()
  const { body: job } = await imported(clinic, csv('Mercy,"1 High St, Town",(202) 555-0101'))
  const { body } = await clinic.get(HOSPITALS)
  expect(body).toEqual([
    {
      id: expect.any(String),
      name: 'Mercy',
      address: '1 High St, Town',
      phone: '(202) 555-0101',
      phone_e164: '+12025550101',
      batch_id: job.result.batch_id,
      is_active: true,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    },
  ])
  expect(await clinic.get(`${HOSPITALS}/${body[0].id}`)).toMatchObject({ status: 200, body: body[0] })
})

test('every word of a search must occur in name or address, whatever case and accents', async () => {
  const clinic = await openClinic()
  await imported(
    clinic,
    csv('Clínica São José,Rua Açaí 5,', 'Mercy Hospital,"100% Main_St, Boaz",', 'Mercy Clinic,2 Oak Ave,'),
  )
  expect(await names(clinic, 'q=sao+acai')).toEqual(['Clínica São José'])
  expect(await names(clinic, 'q=MERCY')).toEqual(['Mercy Hospital', 'Mercy Clinic'])
  expect(await names(clinic, 'q=oak%20%20mercy')).toEqual(['Mercy Clinic'])
  expect(await names(clinic, 'q=mercy+jose')).toEqual([])
  expect(await names(clinic, 'q=%25')).toEqual(['Mercy Hospital'])
  expect(await names(clinic, 'q=_')).toEqual(['Mercy Hospital'])
  expect(await names(clinic, 'q=')).toHaveLength(3)
})

test('long searches and many words are served, too long ones are refused', async () => {
  const clinic = await openClinic()
  const name = `${'long '.repeat(39)}name`
  await imported(clinic, csv(`${name},Street,`))
  expect(await names(clinic, `q=${encodeURIComponent(name)}`)).toHaveLength(1)
  expect(await names(clinic, `q=${'l+'.repeat(100)}`)).toHaveLength(1)
  expect((await clinic.get(`${HOSPITALS}?q=${'x'.repeat(201)}`)).status).toBe(400)
})

test('pages lead through the whole directory, each hospital once, in the order of the file', async () => {
  const clinic = await openClinic()
  await imported(clinic, csv(...manyRows(25)))
  const pages = (await pagesFrom(clinic, `${HOSPITALS}?limit=10&q=hospital`)) as { name: string }[][]
  expect(pages.map((page) => page.length)).toEqual([10, 10, 5])
  expect(pages.flat().map(({ name }) => name)).toEqual(times(25, (n) => `Hospital ${n}`))
})

test('jobs are listed newest first, page by page, with their total', async () => {
  const clinic = await openClinic()
  heldQueue()
  const ids: string[] = []
  for (const n of [0, 1, 2, 3, 4])
    ids.unshift((await upload(clinic, csv(`Hospital ${n},Street,`))).body.job_id)
  const pages = (await pagesFrom(clinic, `${HOSPITALS}/jobs?limit=2`)) as {
    total_jobs: number
    jobs: { job_id: string }[]
  }[]
  expect(pages.map(({ total_jobs, jobs }) => [total_jobs, jobs.length])).toEqual([
    [5, 2],
    [5, 2],
    [5, 1],
  ])
  expect(pages.flatMap(({ jobs }) => jobs.map(({ job_id }) => job_id))).toEqual(ids)
})

test('a clinic sees and touches nothing of another one', async () => {
  const [mine, theirs] = [await openClinic(), await openClinic()]
  const { body: job } = await imported(mine, csv('Mercy,1 High St,', 'mercy,1 high st,'))
  const batch = `${HOSPITALS}/bulk/batch/${job.result.batch_id}/activate`
  expect((await theirs.send('PATCH', batch)).status).toBe(404)
  expect((await mine.get(HOSPITALS)).body).toEqual([])
  expect((await mine.send('PATCH', batch)).status).toBe(200)
  const [hospital] = (await mine.get(HOSPITALS)).body
  expect((await theirs.get(`${HOSPITALS}/${hospital.id}`)).status).toBe(404)
  expect((await theirs.get(`${HOSPITALS}/status/${job.job_id}`)).status).toBe(404)
  expect((await theirs.get(HOSPITALS)).body).toEqual([])
  expect((await theirs.get(`${HOSPITALS}/jobs`)).body).toEqual({ total_jobs: 0, jobs: [] })
})

test('two clinics may both have the same hospital', async () => {
  const clinics = [await openClinic(), await openClinic()]
  for (const clinic of clinics)
    expect((await imported(clinic, csv('Mercy,1 High St,'))).body).toMatchObject({ processed_hospitals: 1 })
})

test.each([
  ['GET', '/status/nobody'],
  ['GET', '/nobody'],
  ['PATCH', '/bulk/batch/nobody/activate'],
])('%s %s of what does not exist is 404', async (method, path) => {
  const clinic = await openClinic()
  expect((await clinic.send(method, HOSPITALS + path)).status).toBe(404)
})

test.each([
  ['GET', '', ['hospitals:write']],
  ['GET', '/jobs', ['hospitals:write']],
  ['GET', '/status/x', ['hospitals:write']],
  ['GET', '/x', ['hospitals:write']],
  ['PATCH', '/bulk/batch/x/activate', ['hospitals:read']],
  ['POST', '/bulk', ['hospitals:read']],
])('%s %s needs its own scope', async (method, path, scopes) => {
  const clinic = await openClinic()
  const key = await keyFor(clinic.clinicId, scopes)
  expect((await key.send(method, HOSPITALS + path)).status).toBe(403)
})

test('the documentation shows the upload as a file with a required Idempotency-Key', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.get('/openapi.json')
  const operation = body.paths[`${HOSPITALS}/bulk`].post
  expect(Object.keys(operation.requestBody.content)).toEqual([
    'multipart/form-data',
    'text/csv',
    'application/x-ndjson',
  ])
  expect(operation.parameters).toContainEqual(
    expect.objectContaining({ name: 'Idempotency-Key', in: 'header', required: true }),
  )
  expect(Object.keys(operation.responses).sort()).toEqual([
    '200',
    '202',
    '400',
    '401',
    '403',
    '415',
    '422',
    '500',
    '503',
  ])
})
