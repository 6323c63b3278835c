/**
 * Every scope of src/access/permissions.ts, for the first admin key: an admin can grant only what its own key
 * holds. A test compares the two lists.
 */
export const SCOPES = [
  ...['patients:read', 'patients:write', 'doctors:read', 'doctors:write'],
  ...['appointments:read', 'appointments:write', 'checkins:read', 'checkins:write'],
  ...['tests:read', 'tests:write', 'webhooks:write', 'events:read'],
  ...['hospitals:read', 'hospitals:write', 'audit:read', 'service:read'],
  ...['appointments:backdate', 'patients:erase', 'checkins:amend', 'clinics:*', 'admin', 'clinic:admin'],
]
