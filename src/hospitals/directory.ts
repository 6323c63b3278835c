import * as v from 'valibot'
import type { Upstream } from '../imports/kind'
import { callUpstream } from '../upstream/call'

const ID_CHARACTERS_MAX = 200

const Created = v.object({
  id: v.pipe(
    v.union([v.string(), v.pipe(v.number(), v.safeInteger())]),
    v.transform(String),
    v.nonEmpty(),
    v.maxLength(ID_CHARACTERS_MAX),
  ),
  name: v.string(),
  address: v.string(),
  phone: v.nullish(v.string()),
  is_active: v.boolean(),
  creation_batch_id: v.nullish(v.string()),
})

/** The staged cells of a row, without those that only our copy has. */
const StagedHospital = v.object({ name: v.string(), address: v.string(), phone: v.nullable(v.string()) })

/**
 * The directory of hospitals in another service, if one is configured. Our own table is then a copy of it:
 * search still works, and a hospital that was imported before is not sent again.
 */
export function directoryOf(env: Pick<Env, 'HOSPITAL_DIRECTORY_URL'>): Upstream | null {
  const configured: string = env.HOSPITAL_DIRECTORY_URL ?? ''
  if (configured === '') return null
  const url = URL.parse(configured)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error('HOSPITAL_DIRECTORY_URL must be an http or https URL')
  const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  return {
    gate: base,
    create: ({ key, batchId, cells }) => {
      const hospital = v.parse(StagedHospital, JSON.parse(cells))
      const body = { ...hospital, creation_batch_id: batchId }
      return callUpstream(`${base}/hospitals/`, { method: 'POST', key, body, expects: Created })
    },
    activate: (batchId, timeoutMs) =>
      callUpstream(`${base}/hospitals/batch/${encodeURIComponent(batchId)}/activate`, {
        method: 'PATCH',
        key: `activate-${batchId}`,
        expects: v.unknown(),
        ...(timeoutMs && { timeoutMs }),
      }),
  }
}
