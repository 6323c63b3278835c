import { expect, test } from 'vitest'
import { GRANTED_BY_NAME, SCOPES } from '../src/access/permissions'
import { ROLE_NAMES, ROLES, type Role } from '../src/access/roles'
import { operations } from './conformity'
import { managed, personOf } from './people'

/** Every route that needs a key, with the scopes that the published document says it needs. */
async function routes() {
  const all = (await operations()).map(({ method, path, operation }) => {
    const [, told] = operation.description?.match(/Scope: `(.+)`\.$/) ?? []
    return { method, path, scopes: told?.split('` and `') ?? [] }
  })
  return all.filter(({ scopes }) => scopes.length > 0)
}

const may = (role: Role, scopes: string[]): boolean =>
  scopes.every((scope) => (ROLES[role] as readonly string[]).includes(scope))

/** An id that nothing has; a step and a file that exist. */
const anyPath = (path: string) => path.replace('{step}', 'serve').replace(/\{[^}]+\}/g, 'nobody')

test.each(ROLE_NAMES)('a %s is let in by exactly the routes whose scopes the role has', async (role) => {
  const person = await personOf(await managed(), role)
  const found = await routes()
  expect(found.length).toBeGreaterThan(60)
  for (const { method, path, scopes } of found) {
    const reply = await person.send(method, anyPath(path), method === 'GET' ? null : '{}')
    const isLetIn = reply.body?.type !== '/problems/scope_missing'
    expect([method, path, isLetIn]).toEqual([method, path, may(role, scopes)])
    expect([method, path, reply.status === 403]).toEqual([method, path, !isLetIn])
    expect(reply.status).not.toBe(401)
  }
})

test('roles hold scopes that exist, none reaches beyond its clinic, and only managers manage', () => {
  const known = [...Object.keys(SCOPES), ...Object.keys(GRANTED_BY_NAME)]
  for (const role of ROLE_NAMES) {
    const scopes: readonly string[] = ROLES[role]
    expect([role, scopes.filter((scope) => !known.includes(scope))]).toEqual([role, []])
    expect([role, new Set(scopes).size]).toEqual([role, scopes.length])
    for (const beyond of ['admin', 'clinics:*']) expect(scopes).not.toContain(beyond)
    expect([role, scopes.includes('clinic:admin')]).toEqual([role, role === 'manager'])
  }
  expect(ROLES.manager).toEqual(expect.arrayContaining(Object.keys(SCOPES)))
})

/** `npx vitest run test/roles.test.ts -u` writes it anew. */
test('docs/roles.md is the table of today', async () => {
  const title = (role: Role) => role.replace('_', ' ')
  const marks = (scopes: string[]) => ROLE_NAMES.map((role) => (may(role, scopes) ? '✓' : ' ')).join(' | ')
  const head = (what: string) => [
    `| ${what} | ${ROLE_NAMES.map(title).join(' | ')} |`,
    `| --- | ${ROLE_NAMES.map(() => ':-:').join(' | ')} |`,
  ]
  const scopes = Object.entries({ ...SCOPES, ...GRANTED_BY_NAME })
  const lines = [
    '# Roles',
    '',
    'What a person may do, by role (`POST /api/v1/staff`). A test writes these tables from the code, and asks every route with a key of every role.',
    '',
    'A person holds keys, or signs in by a link to `/sign-in#…`: the page there is one of the clinic’s own console, which reads what follows # and sends it to `POST /api/v1/sign-in`.',
    '',
    ...head('scope'),
    ...scopes.map(([scope, does]) => `| \`${scope}\`: ${does} | ${marks([scope])} |`),
    '',
    ...head('route'),
    ...(await routes())
      .toSorted((one, other) => (one.path < other.path ? -1 : one.path > other.path ? 1 : 0))
      .map((route) => `| \`${route.method} ${route.path}\` | ${marks(route.scopes)} |`),
    '',
  ]
  await expect(lines.join('\n')).toMatchFileSnapshot('../docs/roles.md')
})
