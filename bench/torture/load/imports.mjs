import { newPhone } from './patients.mjs'

// Files of hospitals and of patients: small ones, some of several chunks, some with bad rows.

const KINDS = {
  hospitals: {
    path: '/api/v1/hospitals/bulk',
    jobs: '/api/v1/hospitals/jobs',
    header: 'name,address,phone',
    row: (_, name) => `${name},1 Main Street,2025550100`,
    bad: ',no name,',
  },
  patients: {
    path: '/api/v1/patients/bulk',
    jobs: '/api/v1/patients/bulk',
    header: 'name,phone',
    row: (client, name) => `${name},${newPhone(client)}`,
    bad: 'No Phone,',
  },
}

const CHUNK_ROWS = 1_000

export async function startImport(client) {
  const { chance, clinic, world } = client
  const kind = chance.pick(Object.keys(KINDS))
  const mode = chance.pick(['strict', 'partial'])
  const { header, row, bad, path } = KINDS[kind]
  const unique = chance.happens(0.3) ? chance.between(CHUNK_ROWS, 3 * CHUNK_ROWS) : chance.between(2, 80)
  const name = `Import ${client.number} ${client.keys}`
  const rows = Array.from({ length: unique }, (_, n) => row(client, `${name} ${n}`))
  const failing = chance.happens(0.5) ? [rows[0], rows[1], ...(mode === 'partial' ? [bad] : [])] : []
  const isRefused = mode === 'strict' && chance.happens(0.1)
  const csv = [header, ...rows, ...failing, ...(isRefused ? [bad] : [])].join('\n')
  const reply = await client.ask(`import ${kind}`, {
    path: `${path}?mode=${mode}`,
    csv: `${csv}\n`,
    statuses: [isRefused ? 400 : 202],
  })
  if (reply.status !== 202) return
  const job = { clinic, kind, id: reply.body.job_id, unique, failing: failing.length, cancels: 0, resumes: 0 }
  if (reply.body[`total_${kind}`] !== unique + failing.length)
    world.breaks('totals are exact', `${job.id}: ${reply.text}`)
  world.acknowledge('import', job)
  if (chance.happens(0.4)) await cancelAndResume(client, job)
}

/** Cancels the import, and mostly resumes it. Only the client that started an import does this. */
async function cancelAndResume(client, job) {
  const path = `${KINDS[job.kind].jobs}/${job.id}`
  const stopped = await client.ask('cancel an import', {
    path: `${path}/cancel`,
    statuses: [200, 409],
    // The answer is the current state of the import, so a repeated answer may differ.
    isRepeatable: false,
  })
  if (stopped.status !== 200) return
  job.cancels += 1
  if (client.chance.happens(0.3)) return
  const resumed = await client.ask('resume an import', { path: `${path}/resume`, statuses: [202] })
  if (resumed.status === 202) job.resumes += 1
}
