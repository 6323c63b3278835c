import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { loadDemo } from '../../scripts/demo.mjs'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { serveWorker } from '../../scripts/worker.mjs'
import { isLeftToCi, troubleOfCi } from './doc-ci.mjs'
import { blocksOf, commandsOf, FILES, textOf } from './doc-commands.mjs'
import { isServer, openDesk } from './doc-desk.mjs'
import { sameButForIds, troubleOf } from './doc-verdict.mjs'
import { prepared } from './prepared.mjs'

const README_LINES_MAX = 200

/** Those that need an account at Cloudflare. */
const UNTRIED = { 'docs/deploy.md': 2 }

/** How often each file is followed from its top to its end, on the same state. */
const PASSES = 2

test('every command of the documentation works, and works again', { concurrency: 3 }, async (t) => {
  const { state: stateDir, key, build } = prepared()
  const service = onlyOnce(() => startService(t, { stateDir, key, build }))
  const files = FILES.filter((file) => commandsOf(file, textOf(file)).length > 0)
  await Promise.all(
    files.map((file) => t.test(file, (each) => follow(each, file, { state: { stateDir, key }, service }))),
  )
})

/** Follows one file as a reader would; throws at the first command that does not do what it says. */
async function follow(t, file, { state, service }) {
  const commands = commandsOf(file, textOf(file))
  const starts = commands.some(({ text }) => isServer(text))
  const needsNothing = file === 'README.md' || commands.every(({ text }) => isLeftToCi(text))
  const desk = await openDesk(t, needsNothing ? {} : starts ? state : await service())
  for (let pass = 0; pass < PASSES; pass += 1)
    for (const command of commands) {
      if (isServer(command.text)) fail(await desk.start(command))
      else if (!isLeftToCi(command.text)) fail(troubleOf(command, await desk.run(command.text)))
      else if (pass === 0) fail(await troubleOfCi(command))
    }
}

/** Shown is what went wrong, not where this test noticed. */
function fail(trouble) {
  if (trouble) throw Object.assign(new Error(trouble), { stack: trouble })
}

function onlyOnce(begin) {
  let begun
  return () => {
    begun ??= begin()
    return begun
  }
}

/** The demo clinic on workerd alone, for the files that start nothing themselves. */
async function startService(t, { stateDir: preparedState, key, build }) {
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-docs-service-'))
  let worker
  t.after(async () => {
    await worker?.stop()
    rmSync(stateDir, { recursive: true, force: true })
  })
  cpSync(preparedState, stateDir, { recursive: true })
  const port = await freePort()
  worker = serveWorker({ port, stateDir, build })
  await worker.answers()
  const log = t.mock.method(console, 'log', () => {})
  await loadDemo({ url: worker.url, key, stateDir })
  log.mock.restore()
  return { port, key }
}

test('a documented command that does not do what it says is named, with its file, its line and its answer', async (t) => {
  const tried = async (lines) => {
    const [command] = commandsOf('x.md', ['# X', '```sh', ...lines, '```'].join('\n'))
    const desk = await openDesk(t, {})
    return troubleOf(command, await desk.run(command.text))
  }
  assert.equal(await tried(['echo \\', '  fine']), null)
  assert.equal(await tried(['(exit 3)   # exit 3']), null)
  assert.match(await tried(['echo out; (exit 3)']), /^x\.md:3: it should exit with 0, its exit code is 3/)
  assert.match(await tried(['echo out; (exit 3)']), /\n\nout\n/)
  assert.match(await tried(['echo fine   # 409']), /it should answer 409, but it calls nothing/)
  assert.match(await tried(['echo {}', '# {"a":1}']), /its answer is not the documented one/)
})

test('a documented answer may differ in ids, instants and dates, and in nothing else', () => {
  const answer =
    '{"id":"0199a3c1-7d2e-7000-8000-000000000001","at":"2026-11-27T09:00:00.000Z","date":"2026-11-27","slot":6}'
  const another =
    '{"slot":6,"id":"0199a3c1-7d2e-7000-8000-000000000002","at":"2026-11-28T10:00:00Z","date":"2026-11-28"}'
  assert.ok(sameButForIds(answer, another))
  assert.ok(!sameButForIds(answer, another.replace('6', '7')))
  assert.ok(!sameButForIds(answer, another.replace('"slot":6,', '')))
})

test('what the documentation leaves untried is counted, and no shell block escapes the test by its name', () => {
  const shells = FILES.flatMap((file) => blocksOf(textOf(file)).map(({ info }) => ({ file, info })))
  const untried = shells.filter(({ info }) => info === 'sh untried')
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(Object.groupBy(untried, ({ file }) => file)).map(([file, { length }]) => [file, length]),
    ),
    UNTRIED,
  )
  assert.deepEqual(
    shells.filter(({ info }) => !['sh', 'sh untried', 'ts', 'ini', 'dockerfile', ''].includes(info)),
    [],
  )
})

test(`README.md has at most ${README_LINES_MAX} lines, and every link leads to a file and a heading`, () => {
  assert.ok(textOf('README.md').trimEnd().split('\n').length <= README_LINES_MAX)
  for (const file of FILES)
    for (const [, target] of textOf(file).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path, anchor] = target.split('#')
      const to = join(dirname(file), path)
      assert.ok(existsSync(join(ROOT, to)), `${file} links to ${target}`)
      if (anchor) assert.ok(headingsOf(textOf(to)).includes(anchor), `${file} links to ${target}`)
    }
})

/** As GitHub makes anchors of them. */
const headingsOf = (markdown) =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )

test('each dependency has one sentence that says why it is there', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const named = [
    ...textOf('docs/dependencies.md').matchAll(/^\| (?!dependency|for development|---)(\S+) \| \S/gm),
  ]
  assert.deepEqual(
    named.map(([, name]) => name).sort(),
    Object.keys({ ...dependencies, ...devDependencies }).sort(),
  )
})
