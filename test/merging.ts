import type { Client } from './clinic'

export const PATIENTS = '/api/v1/patients'

export const merge = (clinic: Client, old = '', into = '', key = '') =>
  clinic.post(`${PATIENTS}/${old}/merge`, { into }, key ? { 'Idempotency-Key': key } : {})

export const unmerge = (clinic: Client, old = '', key = '') =>
  clinic.post(`${PATIENTS}/${old}/unmerge`, undefined, key ? { 'Idempotency-Key': key } : {})

export async function register(clinic: Client, name: string, phone: string, more = {}): Promise<string> {
  return (await clinic.post(PATIENTS, { name, phone, ...more })).body.id
}

export const change = async (clinic: Client, id: string, fields: object) => {
  const { headers } = await clinic.get(`${PATIENTS}/${id}`)
  return clinic.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify(fields), {
    'If-Match': headers.get('ETag') ?? '',
  })
}

export const listed = async (clinic: Client, search = ''): Promise<string[]> =>
  (await clinic.get(`${PATIENTS}?${search}`)).body.map(({ id }: { id: string }) => id)
