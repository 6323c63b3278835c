import { type SQL, sql } from 'drizzle-orm'
import { SCOPES, type Scope } from './permissions'

/**
 * What each role of a person may do. A key of a person has what the role has when the key is used, so a
 * change of this table, or of a person's role, reaches every key of that person. No role reaches beyond its
 * clinic.
 */
export const ROLES = {
  /** Registers, books, checks in and calls. */
  front_desk: [
    'patients:read',
    'patients:write',
    'doctors:read',
    'appointments:read',
    'appointments:write',
    'checkins:read',
    'checkins:write',
  ],
  /** Runs the queue, and reads results. */
  nurse: [
    'patients:read',
    'doctors:read',
    'appointments:read',
    'checkins:read',
    'checkins:write',
    'tests:read',
  ],
  /** As a nurse, and stores results. */
  doctor: [
    'patients:read',
    'doctors:read',
    'appointments:read',
    'checkins:read',
    'checkins:write',
    'tests:read',
    'tests:write',
  ],
  lab: ['tests:read', 'tests:write'],
  /** All work of the clinic, its staff, its keys and its settings. */
  manager: [
    ...(Object.keys(SCOPES) as Scope[]),
    'appointments:backdate',
    'checkins:amend',
    'patients:erase',
    'clinic:admin',
  ],
} as const satisfies Record<string, readonly Scope[]>

export type Role = keyof typeof ROLES

export const ROLE_NAMES = Object.keys(ROLES) as Role[]

/** A role that only a newer version of the service knows may do nothing here. */
export const scopesOfRole = (role: string): readonly Scope[] => (role in ROLES ? ROLES[role as Role] : [])

/** The roles that manage the staff and the keys of a clinic. */
export const MANAGING = ROLE_NAMES.filter((role) => scopesOfRole(role).includes('clinic:admin'))

/** The same as JSON, in a statement that reads the role of a person. */
export const scopesByRole = (role: SQL): SQL<string[]> =>
  sql`coalesce(${JSON.stringify(ROLES)} -> ${role}, '[]')`
