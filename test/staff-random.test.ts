import { expect, test } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { ROLE_NAMES, ROLES, type Role } from '../src/access/roles'
import type { Client } from './clinic'
import { KEYS, managed, STAFF, withKey } from './people'
import { rounds } from './rounds'

/** What should be true of a person, and of each key that the person was ever given. */
interface Known {
  id: string
  role: Role
  version: number
  hasLeft: boolean
  keys: { key: string; isRevoked: boolean }[]
  links: string[]
}

const person = (id: string, role: Role): Known => ({
  id,
  role,
  version: 1,
  hasLeft: false,
  keys: [],
  links: [],
})

type Step = (manager: Client, known: Known, role: Role, chosen: (count: number) => number) => Promise<void>

const STEPS: Step[] = [
  async (manager, known) => {
    const { status, body } = await manager.post(`${STAFF}/${known.id}/keys`)
    expect(status).toBe(known.hasLeft ? 409 : 201)
    if (!known.hasLeft) known.keys.push({ key: body.key, isRevoked: false })
  },
  async (manager, known, role) => {
    const headers = { 'If-Match': `"${known.version}"` }
    const wanted = JSON.stringify({ role })
    const { status } = await manager.send('PATCH', `${STAFF}/${known.id}`, wanted, headers)
    expect(status).toBe(known.hasLeft ? 409 : 200)
    if (!known.hasLeft) Object.assign(known, { role, version: known.version + 1 })
  },
  async (manager, known) => {
    const { status, body } = await manager.post(`${STAFF}/${known.id}/sign-in-links`)
    expect(status).toBe(known.hasLeft ? 409 : 201)
    if (!known.hasLeft) known.links.push(body.url.split('#')[1])
  },
  async (manager, known, _, chosen) => {
    const [token] = known.links.splice(chosen(known.links.length), 1)
    const exchanged = [token, token].map((sent = 'none') => manager.post('/api/v1/sign-in', { token: sent }))
    const replies = await Promise.all(exchanged)
    const opened = replies.filter(({ status }) => status === 201)
    expect(opened).toHaveLength(token !== undefined && !known.hasLeft ? 1 : 0)
    for (const { body } of opened) known.keys.push({ key: body.key, isRevoked: false })
  },
  async (manager, known, _, chosen) => {
    const key = known.keys[chosen(known.keys.length)]
    if (!key) return
    const { status } = await manager.send('DELETE', `${KEYS}/${key.key.split('.')[0]}`)
    expect(status).toBe(200)
    key.isRevoked = true
  },
  async (manager, known, role) => {
    // Rarely, so that most people stay for a while.
    if (role !== 'lab') return
    expect((await manager.send('DELETE', `${STAFF}/${known.id}`)).status).toBe(200)
    known.hasLeft = true
  },
]

/** Each probe is answered 403 where the scope is missing, and 400 or 404 where it is there. */
const PROBES = [
  { scope: 'patients:read', ask: (key: string) => withKey(key).get('/api/v1/patients/nobody') },
  { scope: 'tests:write', ask: (key: string) => withKey(key).post('/tests', {}) },
  { scope: 'clinic:admin', ask: (key: string) => withKey(key).get(`${STAFF}/nobody`) },
]

test('whatever happens to people, each key may do what its person may now, and a lost one nothing', async () => {
  const manager = await managed()
  const random = seeded(41)
  const chosen = (count: number) => Math.floor(random() * count)
  const people: Known[] = []
  for (const role of ROLE_NAMES)
    people.push(person((await manager.post(STAFF, { name: role, role })).body.id, role))
  for (let round = 0; round < rounds(120, 1_000); round += 1) {
    const known = people[chosen(people.length)] as Known
    const step = STEPS[chosen(STEPS.length)] as Step
    await step(manager, known, ROLE_NAMES[chosen(ROLE_NAMES.length)] as Role, chosen)
    for (const { key, isRevoked } of known.keys.slice(-4))
      for (const { scope, ask } of PROBES) {
        const { status } = await ask(key)
        const isHeld = (ROLES[known.role] as readonly string[]).includes(scope)
        const access = { 401: 'none', 403: 'refused' }[status] ?? 'let in'
        const expected = isHeld ? 'let in' : 'refused'
        expect([round, scope, access]).toEqual([round, scope, isRevoked || known.hasLeft ? 'none' : expected])
      }
    if (known.hasLeft && random() < 0.3) {
      const role = ROLE_NAMES[chosen(ROLE_NAMES.length)] as Role
      people.push(person((await manager.post(STAFF, { name: role, role })).body.id, role))
    }
  }
  expect(people.flatMap(({ keys }) => keys).length).toBeGreaterThan(10)
})
