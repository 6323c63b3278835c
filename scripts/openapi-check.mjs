// `npm run openapi:check`: gets the document from a running Worker and checks it with two independent tools.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { freePort } from './port.mjs'
import { fail, ready } from './ready.mjs'
import { ROOT } from './root.mjs'
import { startWorker } from './worker.mjs'

const REDOCLY = join(ROOT, 'node_modules', '@redocly', 'cli', 'bin', 'cli.js')
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }

async function check() {
  ready()
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-openapi-'))
  try {
    const document = await publishedDocument(join(folder, 'state'))
    const { valid, errors } = await new Validator().validate(JSON.parse(document))
    if (!valid) fail(`The document is not valid OpenAPI:\n${JSON.stringify(errors, null, 2)}`)
    const file = join(folder, 'openapi.json')
    writeFileSync(file, document)
    return lint(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The document depends only on the code, so a state without tables is enough. */
async function publishedDocument(stateDir) {
  const worker = startWorker({ port: await freePort(), stateDir })
  try {
    await worker.answers('/openapi.json')
    return await (await fetch(`${worker.url}/openapi.json`)).text()
  } finally {
    await worker.stop()
  }
}

function lint(file) {
  const env = { ...process.env, ...QUIET }
  return spawnSync(process.execPath, [REDOCLY, 'lint', file], { cwd: ROOT, env, stdio: 'inherit' }).status
}

process.exitCode = await check()
