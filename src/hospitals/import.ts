import { sql } from 'drizzle-orm'
import type { Kind } from '../imports/kind'
import { newRecordId, repeatsEarlierRow } from '../imports/model'
import { foldedBefore } from '../lib/folding'
import { toE164 } from '../lib/phone'
import { directoryOf } from './directory'
import { foldHospital, HospitalRow, hospitals } from './model'

export const HOSPITAL_WORDS = {
  records: 'hospitals',
  statusPath: '/api/v1/hospitals/status/',
  created: ['created', 'created_and_activated'],
  /** The last three come from an upstream: it refused, was out of reach, or its reply was lost. */
  reasons: [
    'duplicate_in_file',
    'duplicate_in_directory',
    'invalid',
    'refused_by_directory',
    'directory_unavailable',
    'unknown_outcome',
  ],
  activationPath: (batchId: string) => `/api/v1/hospitals/bulk/batch/${batchId}/activate`,
  whose: 'contract',
} as const

/** Hospitals as a kind of import: the rules of a row, and how rows become hospitals. */
export const HOSPITALS: Kind<HospitalRow> = {
  name: 'hospitals',
  columns: [
    { name: 'name', isRequired: true },
    { name: 'address', isRequired: true },
    { name: 'phone', isRequired: false },
  ],
  row: () => HospitalRow,
  stage(hospital, { country }) {
    const { name, address, phone } = hospital
    const phoneE164 = phone === '' ? null : toE164(phone, country)
    const [identity, before] = [foldHospital(hospital), foldHospital(hospital, foldedBefore)]
    const cells = { name, address, phone: phone || null, phone_e164: phoneE164 }
    return { cells: before === identity ? cells : { ...cells, folded_before: before }, identity }
  },
  commit(db, { clinicId, rows, isLeased, now }) {
    const isCreated = sql`EXISTS (SELECT 1 FROM hospitals h
      WHERE h.clinic_id = ${clinicId} AND h.id = ${newRecordId('staged_rows')})`
    return {
      statement: db
        .insert(hospitals)
        .select(sql`
          SELECT i.clinic_id, ${newRecordId('r')}, i.batch_id, r.cells->>'name', r.cells->>'address',
            r.cells->>'phone', r.cells->>'phone_e164', r.identity, ${now}
          FROM staged_rows r JOIN imports i ON i.id = r.job_id
          WHERE ${rows} AND i.clinic_id = ${clinicId} AND NOT ${repeatsEarlierRow('r')}
            AND NOT ${isKnown('r', clinicId)} AND ${isLeased}
          ORDER BY r.row`)
        .onConflictDoNothing(),
      isCreated,
      reason: sql`CASE WHEN ${repeatsEarlierRow('staged_rows')} THEN 'duplicate_in_file'
        ELSE 'duplicate_in_directory' END`,
    }
  },
  repeats: () => repeatsEarlierRow('staged_rows'),
  isKnown: (clinicId) => isKnown('staged_rows', clinicId),
  title: 'name',
  recordId: sql`coalesce(staged_rows.record_id, ${newRecordId('staged_rows')})`,
  upstream: directoryOf,
}

/** `folded_before`: the identity of the row where a hospital may be stored under the older folding. */
const isKnown = (row: 'r' | 'staged_rows', clinicId: string) => sql`EXISTS (SELECT 1 FROM hospitals h
  WHERE h.clinic_id = ${clinicId}
    AND h.folded IN (${sql.raw(row)}.identity, ${sql.raw(row)}.cells->>'folded_before'))`
