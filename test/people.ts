import { type Client, caller, openClinic } from './clinic'

export const STAFF = '/api/v1/staff'
export const KEYS = '/api/v1/keys'

/** A clinic, and the key of its manager. */
export const managed = (scopes = ['*', 'clinic:admin']) => openClinic({ scopes })

export interface Person extends Pick<Client, 'get' | 'post' | 'send'> {
  id: string
  keyId: string
  key: string
  match: { 'If-Match': string }
}

export const withKey = (key: string) => caller({ Authorization: `Bearer ${key}` })

/** A person of the staff who holds a key. */
export async function personOf(manager: Client, role: string): Promise<Person> {
  const { body, headers } = await manager.post(STAFF, { name: `A ${role}`, role })
  const { body: made } = await manager.post(`${STAFF}/${body.id}/keys`)
  return {
    id: body.id,
    keyId: made.id,
    key: made.key,
    match: { 'If-Match': headers.get('ETag') ?? '' },
    ...withKey(made.key),
  }
}

export const changeRole = (manager: Client, { id, match }: Person, role: string) =>
  manager.send('PATCH', `${STAFF}/${id}`, JSON.stringify({ role }), match)
