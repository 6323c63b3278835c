// `npm run import -- FILE`: sends a CSV or NDJSON file, shows the progress of its import, and fetches the failed rows.
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Transform } from 'node:stream'
import { EXIT, eventsOf, exitError, jsonOf, retryReasonOf, send, withRetries } from './calls.mjs'
import { isLocal, KINDS, optionsOf } from './import-options.mjs'
import { amount, countsOf, notesOf, printDryRun, printResult } from './import-result.mjs'
import { keep, sha256Of } from './kept-file.mjs'
import { digestOf, knownImport } from './known-imports.mjs'
import { keepPrivate } from './private.mjs'
import { duration, megabytes, progressBar } from './progress-bar.mjs'

/** Tries in a row. The import continues without this command, so watching may wait for a longer outage. */
const TRIES_MAX = 5
const WATCH_TRIES_MAX = 30

const PATHS = {
  hospitals: {
    list: '/api/v1/hospitals/jobs?limit=1',
    upload: '/api/v1/hospitals/bulk',
    status: (job) => `/api/v1/hospitals/status/${job}`,
    failed: (job) => `/api/v1/hospitals/jobs/${job}/failed.csv`,
    repair: (job) => `/api/v1/hospitals/jobs/${job}/rows`,
  },
  patients: {
    list: '/api/v1/patients/bulk?limit=1',
    upload: '/api/v1/patients/bulk',
    status: (job) => `/api/v1/patients/bulk/${job}`,
    failed: (job) => `/api/v1/patients/bulk/${job}/failed.csv`,
    repair: (job) => `/api/v1/patients/bulk/${job}/rows`,
  },
  tests: {
    list: '/api/v1/tests/bulk/jobs?limit=1',
    upload: '/api/v1/tests/bulk',
    status: (job) => `/api/v1/tests/bulk/${job}`,
    failed: (job) => `/api/v1/tests/bulk/${job}/failed.csv`,
    repair: (job) => `/api/v1/tests/bulk/${job}/rows`,
  },
}

const bar = progressBar()

/** Returns the exit code. Watches the job of this file if there is one; otherwise starts a job. */
async function run(wanted, stage) {
  const file = await fileAt(wanted.path)
  await checkWritable(wanted.failedPath)
  const service = serviceOf(wanted)
  // Finds a wrong address or key before any byte of the file is sent.
  await service.json('GET', service.paths.list)
  if (wanted.isDryRun) {
    const answer = await service.upload(file, randomUUID())
    bar.end()
    return printDryRun(answer, wanted)
  }
  const { url, key, kind, mode, repair } = wanted
  const known = knownImport(url.origin, key, kind, repair ?? mode, file.sha256)
  const job = (await knownJob(service, known, wanted)) ?? (await startImport(service, known, wanted, file))
  stage.job = job
  const last = await service.watch(job)
  bar.end()
  return printResult(service, wanted, job, last)
}

async function fileAt(path) {
  const { size, isFile } = await stat(path).then(
    (found) => ({ size: found.size, isFile: found.isFile() }),
    (error) => {
      throw exitError(EXIT.usage, `${path} cannot be read: ${error.code}`)
    },
  )
  if (!isFile || size === 0) throw exitError(EXIT.usage, `${path} is ${isFile ? 'empty' : 'not a file'}`)
  return { path, size, sha256: await sha256Of(path) }
}

/** Checks this before the import, not after it. */
const checkWritable = (path) =>
  access(dirname(path), constants.W_OK).catch(({ code }) => {
    throw exitError(EXIT.usage, `Cannot write to ${dirname(path)}, the folder for failed rows: ${code}`)
  })

async function knownJob(service, known, { again }) {
  const job = again ? null : await known.job()
  if (job === null) return null
  try {
    await service.json('GET', `${service.paths.status(job)}?rows=failed&limit=1`)
  } catch (error) {
    if (error.status !== 404) throw error
    await known.forget()
    return null
  }
  bar.say(`This file was imported before, as ${job}. To import it again, add --again.`)
  return job
}

/** The same file gets the same Idempotency-Key, so that a file sent twice makes one import. */
async function startImport(service, known, { kind, mode, repair, again }, file) {
  const key = again ? randomUUID() : digestOf(kind, repair ?? mode, file.sha256)
  const { job_id, ...notes } = await service.upload(file, `import-${key}`)
  for (const note of notesOf(notes)) bar.say(note)
  await known.remember(job_id).catch(() => bar.say('The job id could not be saved.'))
  bar.say(`Import ${job_id} has begun. It continues if this command is stopped.`)
  return job_id
}

function serviceOf({ url, key, kind, mode, isDryRun, repair }) {
  const [address, paths, where] = [{ url, key }, PATHS[kind], url.origin]
  const limits = { say: bar.say, where, triesMax: TRIES_MAX }
  const json = (method, path, options) =>
    withRetries(async () => {
      const response = await send(address, method, path, options?.())
      return (await retryReasonOf(response)) ?? { answer: await jsonOf(response) }
    }, limits).then(({ answer }) => answer)
  return {
    paths,
    json,
    upload(file, idempotencyKey) {
      const path =
        repair === undefined
          ? `${paths.upload}?mode=${mode}&dry_run=${isDryRun}`
          : paths.repair(encodeURIComponent(repair))
      const headers = {
        'Content-Type': /\.(ndjson|jsonl)$/i.test(file.path) ? 'application/x-ndjson' : 'text/csv',
        'Content-Length': file.size,
        'Idempotency-Key': idempotencyKey,
      }
      return json('POST', path, () => ({ headers, body: () => sending(file) }))
    },
    /** Returns the last event. The stream ends every few minutes, and may break at any time. */
    watch: (job) =>
      withRetries(
        async (resetFailures) => {
          const response = await send(address, 'GET', `${paths.status(job)}/live`)
          const retryReason = await retryReasonOf(response)
          if (retryReason) return retryReason
          for await (const { name, data } of eventsOf(response)) {
            resetFailures()
            showProgress(kind, data)
            if (name === 'end') return data
          }
          return { reason: 'the stream ended', isExpected: true }
        },
        { ...limits, triesMax: WATCH_TRIES_MAX },
      ),
    keepFailed: (job, to) =>
      withRetries(async () => {
        const response = await send(address, 'GET', paths.failed(job))
        return (await retryReasonOf(response)) ?? { name: await keep(response, to) }
      }, limits).then(({ name }) => name),
  }
}

function sending({ path, size }) {
  let sent = 0
  const counted = new Transform({
    transform(piece, _, done) {
      sent += piece.length
      bar.show('Sending', (100 * sent) / size, `${megabytes(sent)} of ${megabytes(size)}`)
      done(null, piece)
    },
  })
  return createReadStream(path, { end: size - 1 })
    .on('error', (error) => counted.destroy(error))
    .pipe(counted)
}

function showProgress(kind, data) {
  const { total, created, duplicate, failed } = countsOf(kind, data)
  const facts = [`${created + duplicate + failed} of ${total}`]
  if (duplicate > 0) facts.push(amount(duplicate, 'duplicates'))
  if (failed > 0) facts.push(`${failed} failed`)
  if (data.rows_per_second > 0) facts.push(`${Math.ceil(data.rows_per_second)} rows/s`)
  if (data.eta_seconds !== null) facts.push(`${duration(data.eta_seconds)} left`)
  if (data.paused_until !== null) facts.push(`paused until ${data.paused_until}`)
  bar.show('Importing', data.progress_percentage, facts.join(' · '))
}

/** Only the watching ends: the import runs in the service. */
function stopOnSignal(stage, { again }) {
  process.on('SIGINT', () => {
    bar.end()
    const state = stage.job
      ? `Import ${stage.job} continues`
      : 'If the file has arrived, its import continues'
    const command = again ? 'the same command without --again' : 'the same command again'
    console.error(`${state}. To watch it, run ${command}.`)
    process.exit(EXIT.stopped)
  })
}

/** What may have led to a refusal; it names the key without showing it. */
function hintOf(status, { keyFrom, repair, kind }) {
  if ([401, 403].includes(status))
    return `The key came from ${keyFrom.where}. To use another key, set the environment variable DOCTORDAY_KEY to it.`
  const others = KINDS.filter((other) => other !== kind).map((other) => `--kind ${other}`)
  return status === 404 && repair
    ? `To repair an import of another kind, run the command with ${others.join(' or ')}.`
    : null
}

// The failed rows that it keeps have personal data.
keepPrivate()
const stage = { job: null, wanted: null }
try {
  const wanted = optionsOf(process.argv.slice(2), process.env)
  stage.wanted = wanted
  stopOnSignal(stage, wanted)
  if (wanted.url.protocol === 'http:' && !isLocal(wanted.url))
    bar.say('Warning: http:// is not encrypted, so others can read the key and the file. Use https://.')
  process.exitCode = await run(wanted, stage)
} catch (error) {
  bar.end()
  if (error.exitCode === undefined) throw error
  console[error.exitCode === EXIT.done ? 'log' : 'error'](error.message)
  const hint = error.status && hintOf(error.status, stage.wanted)
  if (hint) console.error(hint)
  process.exitCode = error.exitCode
}
