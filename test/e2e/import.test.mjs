import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { startService } from './service.mjs'

const COMMAND = join(ROOT, 'scripts', 'import.mjs')
const HOSPITALS = '/api/v1/hospitals'

test('npm run import', async (t) => {
  const service = await startService(t)
  const desk = openDesk(t, service)
  const { write, run, imports } = desk
  const unreachable = run([write('lost.csv', hospitals('lost', 1))], {
    DOCTORDAY_URL: `http://127.0.0.1:${await freePort()}`,
  })

  await t.test('imports a file, tells the totals, and is done', async () => {
    const ended = await run([write('good.csv', hospitals('good', 2_500))])
    assert.equal(ended.code, 0, ended.err)
    assert.match(ended.out, /is completed: 2500 hospitals created, 0 rows failed\./)
    assert.match(ended.err, /^Sending 100 %/m)
    assert.match(ended.err, /^Importing 100 % {2}2500 of 2500/m)
  })

  await t.test('called again it watches the same import, whoever has forgotten it', async () => {
    const before = await imports()
    const again = await run([write('good.csv', hospitals('good', 2_500))])
    const elsewhere = await run(['good.csv'], { XDG_STATE_HOME: join(desk.folder, 'elsewhere') })
    assert.deepEqual([again.code, elsewhere.code], [0, 0])
    assert.match(again.err, /To import it again, add --again/)
    assert.deepEqual(await imports(), before)
    assert.equal((await run(['good.csv', '--again', '--failed', 'again.csv'])).code, 1)
    assert.equal((await imports()).length, before.length + 1)
  })

  await t.test('says row and column of what a strict import refuses, and imports nothing', async () => {
    const before = await imports()
    const ended = await run([write('bad.csv', 'name,address\nNorth,1 Main Street\n,2 Main Street\nSouth,\n')])
    assert.equal(ended.code, 1)
    assert.match(ended.err, /^Refused, 400 The file cannot be imported/m)
    assert.match(ended.err, /^ {2}row 3, column name: 'name' is required \[required\]$/m)
    assert.match(ended.err, /^ {2}row 4, column address: 'address' is required \[required\]$/m)
    const trial = await run(['bad.csv', '--dry-run'])
    assert.equal(trial.code, 1)
    assert.match(trial.out, /^Of 3 rows 1 would be created, 0 are duplicates, 2 break a rule\./)
    assert.deepEqual(await imports(), before)
  })

  await t.test('keeps the rows that failed, for their owner alone, and repairs them', async () => {
    write('part.failed.csv', 'mine')
    const ended = await run([
      write('part.csv', 'name,address\nEast,1 Main Street\n,9 Main Street\n'),
      '--mode=partial',
    ])
    assert.equal(ended.code, 1, ended.err)
    assert.equal(desk.read('part.failed.csv'), 'mine')
    const failed = desk.read('part.failed-2.csv')
    assert.equal(
      failed,
      "name,address,phone,row,reason\r\n,9 Main Street,,3,invalid; Row 3: 'name' is required\r\n",
    )
    assert.equal(statSync(join(desk.folder, 'part.failed-2.csv')).mode & 0o777, 0o600)
    const [, job] = /npm run import -- --repair (\S+) --url http:\S+ part\.failed-2\.csv$/m.exec(ended.out)
    assert.equal((await run(['part.csv', '--mode=partial'])).code, 1)
    assert.match(
      ended.out,
      /not active yet.*\n {2}curl -s -X PATCH .*\/bulk\/batch\/[0-9a-f-]{36}\/activate$/m,
    )
    assert.deepEqual(desk.files(/^part\.failed/), ['part.failed-2.csv', 'part.failed.csv'])

    write('part.failed-2.csv', failed.replace(',9 Main', 'West,9 Main'))
    const repaired = await run(['--repair', job, 'part.failed-2.csv'])
    assert.equal(repaired.code, 0, repaired.err)
    assert.match(repaired.out, /2 hospitals created, 0 rows failed/)
    const { body } = await service.get(`${HOSPITALS}?q=West`)
    assert.deepEqual(
      body.map(({ address }) => address),
      ['9 Main Street'],
    )
  })

  await t.test('imports patients under their own rules', async () => {
    const file = write('people.csv', 'name,phone\nAda,+1 202 555 0101\nBob,+1 202 555 0101\n')
    const ended = await run([file, '--kind', 'patients', '--failed', 'people-left.csv'])
    assert.equal(ended.code, 1, ended.err)
    assert.match(ended.out, /: 1 patient created, 1 row failed\./)
    assert.match(desk.read('people-left.csv'), /^Bob,'\+12025550101,.*,3,phone_in_use\r$/m)
    const [, job] = /^Import (\S+) is completed/m.exec(ended.out)
    const other = await run(['people-left.csv', '--repair', job])
    assert.equal(other.code, 1)
    assert.match(
      other.err,
      /^Refused, 404 .*\nTo repair .* run the command with --kind patients or --kind tests\.$/m,
    )
  })

  await t.test('imports records of medical tests from NDJSON; a duplicate is no failure', async () => {
    const line = (id, result) =>
      JSON.stringify({ test_id: id, patient_id: 'P', clinic_id: 'demo', test_type: 'glucose', result })
    const kind = ['--kind', 'tests']
    const first = await run([write('lab.ndjson', `${line('E-1', '5.1')}\n${line('E-2', '6')}\n`), ...kind])
    assert.match(first.out, /: 2 tests created, 0 rows failed\./, first.err)
    const known = write('lab2.jsonl', `${line('E-1', '5.1')}\n${line('E-3', '7')}\n`)
    const trial = await run([known, ...kind, '--dry-run'])
    assert.deepEqual([trial.code, /1 is a duplicate, 0 break a rule/.test(trial.out)], [0, true], trial.out)
    const again = await run([known, ...kind])
    assert.equal(again.code, 0, again.err)
    assert.match(again.out, /: 1 test created, 1 duplicate, 0 rows failed\./)
    const other = await run([write('lab3.ndjson', `${line('E-1', '9')}\n`), ...kind])
    assert.equal(other.code, 1)
    const failed = desk.read('lab3.failed.csv')
    assert.match(failed, /^E-1,P,demo,glucose,9,1,differs\r$/m)
    write('lab3.failed.csv', failed.replace('E-1', 'E-4'))
    const [, command] = /^ {2}npm run import -- (.+)$/m.exec(other.out)
    const repaired = await run(command.split(' '))
    assert.match(repaired.out, /: 1 test created, 0 rows failed\./, repaired.err)
  })

  await t.test('the commands that it prints work when pasted, whichever key it used', async () => {
    const checkout = copyOfScripts(desk.folder, service.key)
    const pasted = (line, env) => run(['-c', line], env, { program: 'sh', cwd: checkout })
    for (const [name, DOCTORDAY_KEY, phone] of [
      ['demo', undefined, '+1 202 555 013'],
      ['variable', service.key, '+1 202 555 014'],
    ]) {
      const paste = (line) => pasted(line, { DOCTORDAY_URL: undefined, DOCTORDAY_KEY })
      writeFileSync(join(checkout, `${name}.csv`), `name,address\n${name},5 Main Street\n${name} 2,\n`)
      writeFileSync(join(checkout, `${name}-p.csv`), `name,phone\n${name},${phone}1\n${name} 2,\n`)
      const begin = `npm run import -- --url ${service.url()} --mode partial`
      const ended = await paste(`${begin} ${name}.csv`)
      assert.match(ended.out, /: 1 hospital created, 1 row failed\./, ended.err)
      const [activate, repair] = [...ended.out.matchAll(/^ {2}(.+)$/gm)].map(([, line]) => line)
      assert.match((await paste(activate)).out, /"activated":true/)
      const repaired = await paste(`sed -i.bak 's/,,/,6 Main Street,/' ${name}.failed.csv; ${repair}`)
      assert.match(repaired.out, /: 2 hospitals created, 0 rows failed\./, repaired.err)
      const people = await paste(`${begin} --kind patients ${name}-p.csv`)
      const [again] = [...people.out.matchAll(/^ {2}(npm .+)$/gm)].map(([, line]) => line)
      const corrected = await paste(`sed -i.bak 's/,,/,${phone}2,/' ${name}-p.failed.csv; ${again}`)
      assert.match(corrected.out, /: 2 patients created, 0 rows failed\./, corrected.err)
    }
    writeFileSync(join(checkout, '.dev.vars'), 'DEMO_API_KEY=key_wrong.secret-of-nobody\n')
    const refused = await pasted('npm run import -- demo.csv', { DOCTORDAY_KEY: undefined })
    assert.match(
      refused.err,
      /^The key came from .*\.dev\.vars, .* set the environment variable DOCTORDAY_KEY/m,
    )
  })

  await t.test('loses no import and makes none twice where answers are lost and streams break', async () => {
    const before = await imports()
    const flaky = await flakyProxy(t, service.url())
    const ended = await run([write('flaky.csv', hospitals('flaky', 3_000))], { DOCTORDAY_URL: flaky.url })
    assert.equal(ended.code, 0, ended.err)
    assert.match(ended.out, /3000 hospitals created, 0 rows failed/)
    assert.deepEqual(flaky.faults, [], 'all of them happened')
    assert.equal((await imports()).length, before.length + 1)
  })

  await t.test('stopped, it says that the import goes on', async () => {
    const silent = await flakyProxy(t, service.url(), [['GET', /live$/, 'hang']])
    const child = desk.begin([write('stopped.csv', hospitals('stopped', 3))], { DOCTORDAY_URL: silent.url })
    await child.says(/has begun/)
    child.kill('SIGINT')
    const ended = await child.ended
    assert.equal(ended.code, 130)
    assert.match(ended.err, /Import \S+ continues\. To watch it, run the same command again\./)
    assert.equal((await run(['stopped.csv'])).code, 0)
  })

  await t.test('a wrong key is refused before the file is sent', async () => {
    const ended = await run(['good.csv', '--again'], { DOCTORDAY_KEY: 'key_wrong.secret-of-nobody' })
    assert.equal(ended.code, 1)
    assert.match(ended.err, /^Refused, 401 No valid API key/m)
    assert.match(ended.err, /^The key came from the environment variable DOCTORDAY_KEY\. To use another key/m)
    assert.doesNotMatch(ended.err, /Sending/)
  })

  await t.test('a command that is not right says how it would be', async () => {
    for (const args of [
      [],
      ['a.csv', 'b.csv'],
      ['none.csv'],
      ['.'],
      ['good.csv', '--mode', 'odd'],
      ['--odd'],
    ]) {
      const { code, err } = await run(args)
      assert.equal(code, 2, args.join(' '))
      assert.notEqual(err, '')
    }
    assert.equal(
      (await run(['good.csv'], { DOCTORDAY_KEY: '', DOCTORDAY_URL: 'https://clinic.test' })).code,
      2,
    )
  })

  await t.test('a service that is not there is another end than rows that failed', async () => {
    const { code, err } = await unreachable
    assert.equal(code, 3)
    assert.match(err, /cannot be reached: ECONNREFUSED/)
  })

  await t.test('the key is printed nowhere, and only failed rows and job ids are left behind', () => {
    assert.ok(desk.printed().length > 1_000)
    assert.doesNotMatch(desk.printed(), new RegExp(service.key.split('.')[1]))
    assert.doesNotMatch(desk.printed(), /secret-of-nobody/)
    assert.deepEqual(desk.files(/part-/), [])
    for (const note of readdirSync(join(desk.folder, 'state', 'doctorday', 'imports')))
      assert.match(desk.read(join('state', 'doctorday', 'imports', note)), /^[0-9a-f-]{36}\n$/)
  })
})

const hospitals = (town, rows) =>
  [
    'name,address',
    ...Array.from({ length: rows }, (_, n) => `Hospital ${n},"${n} Main Street, ${town}"`),
  ].join('\n')

/** A checkout in which `npm start` has written the key of the demo clinic; the path needs quotes in a shell. */
function copyOfScripts(folder, key) {
  const checkout = join(folder, "it's a checkout")
  mkdirSync(checkout)
  for (const name of ['scripts', 'package.json'])
    cpSync(join(ROOT, name), join(checkout, name), { recursive: true })
  writeFileSync(join(checkout, '.dev.vars'), `DEMO_API_KEY=${key}\n`)
  return checkout
}

/** A folder with files, and the command run in it as one would. */
function openDesk(t, service) {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-import-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  let printed = ''
  const begin = (args, env = {}, { program, cwd = folder } = {}) => {
    const child = spawn(program ?? process.execPath, program ? args : [COMMAND, ...args], {
      cwd,
      env: {
        PATH: process.env.PATH,
        DOCTORDAY_URL: service.url(),
        DOCTORDAY_KEY: service.key,
        XDG_STATE_HOME: join(folder, 'state'),
        ...env,
      },
    })
    const said = { out: '', err: '' }
    for (const [name, stream] of [
      ['out', child.stdout],
      ['err', child.stderr],
    ])
      stream.setEncoding('utf8').on('data', (text) => {
        said[name] += text
        printed += text
      })
    return {
      kill: (signal) => child.kill(signal),
      async says(text) {
        while (!text.test(said.err)) await once(child.stderr, 'data')
      },
      ended: once(child, 'close').then(([code]) => ({ code, ...said })),
    }
  }
  return {
    folder,
    begin,
    run: (args, env, how) => begin(args, env, how).ended,
    write(name, text) {
      writeFileSync(join(folder, name), text)
      return name
    },
    read: (name) => readFileSync(join(folder, name), 'utf8'),
    files: (names) =>
      readdirSync(folder)
        .filter((name) => names.test(name))
        .sort(),
    printed: () => printed,
    imports: async () => (await service.get(`${HOSPITALS}/jobs`)).body.jobs.map(({ job_id }) => job_id),
  }
}

/** What goes wrong, in this order, each once: the first request that fits. */
const FAULTS = [
  ['GET', /jobs/, 'busy'],
  ['POST', /bulk/, 'lose'],
  ['POST', /bulk/, 'cut'],
  ['GET', /live$/, 'cut'],
]

/** Stands between command and service, and meddles. */
async function flakyProxy(t, target, faults = FAULTS) {
  const left = [...faults]
  const server = http.createServer((request, response) => {
    const [method, path, fault] = left[0] ?? []
    const isHit = request.method === method && path.test(request.url.split('?')[0])
    if (isHit) left.shift()
    meddle(isHit ? fault : null, target, request, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${server.address().port}`, faults: left }
}

function meddle(fault, target, request, response) {
  if (fault === 'busy') return response.writeHead(503, { 'Retry-After': '1' }).end()
  if (fault === 'hang') return
  const { method, headers } = request
  if (fault === 'cut' && method === 'POST') return request.once('data', () => response.destroy())
  const onward = http.request(new URL(request.url, target), { method, headers, agent: false }, (answer) => {
    if (fault === 'lose') return response.destroy()
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
    if (fault === 'cut') answer.once('data', () => setImmediate(() => response.destroy()))
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}
