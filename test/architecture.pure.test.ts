import { expect, test } from 'vitest'
import readme from '../README.md?raw'

const files = Object.entries(
  import.meta.glob<string>('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }),
).map(([path, text]) => ({ path: path.replace('../src/', ''), text }))

interface Import {
  from: string
  to: string
  isType: boolean
}

/** Imports of one source file by another, as paths below src/. */
const imports: Import[] = files.flatMap(({ path, text }) =>
  [...text.matchAll(/^(?:import|export)( type)? ?[^'"]*?from '(\.[^']+)'/gms)].map(
    ([, type, target = '']) => ({
      from: path,
      to: resolve(path, target),
      isType: type !== undefined,
    }),
  ),
)

function resolve(from: string, target: string): string {
  const { pathname } = new URL(target, `file:///src/${from}`)
  const path = pathname.replace('/src/', '')
  return (
    files.find((file) => [`${path}.ts`, `${path}.tsx`, `${path}/index.ts`].includes(file.path))?.path ?? path
  )
}

const folder = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : '')
const room = (path: string) => path.split('/').at(-1) ?? ''
const FEATURES = [...new Set(files.map(({ path }) => folder(path)))].filter(
  (name) => !['', 'http', 'lib', 'doctor-day'].includes(name),
)

/** Downward only: each file imports from its own floor or below. */
const FLOORS: [floor: number, is: (path: string) => boolean][] = [
  [0, (path) => path === 'index.ts' || path === 'client.ts'],
  [1, (path) => path === 'api.ts'],
  [2, (path) => room(path) === 'routes.ts'],
  [6, (path) => folder(path) === 'lib'],
  [5, (path) => ['context.ts', 'once.ts', 'problem.ts', 'about.ts'].includes(path)],
  [4, (path) => folder(path) === 'http' || folder(path) === 'doctor-day' || room(path) === 'model.ts'],
  [3, () => true],
]
const floor = (path: string) => FLOORS.find(([, is]) => is(path))?.[0] ?? 3

test('the source is found, and so are its imports', () => {
  expect(files.length).toBeGreaterThan(30)
  expect(imports.length).toBeGreaterThan(100)
  expect(imports.filter(({ to }) => !files.some(({ path }) => path === to))).toEqual([])
})

test('imports run downward: index, api, routes, actions, models and days, context, lib', () => {
  expect(imports.filter(({ from, to, isType }) => !isType && floor(from) > floor(to))).toEqual([])
})

test('http/ and lib/ import no feature, and lib/ nothing but lib/', () => {
  const base = imports.filter(({ from }) => ['http', 'lib'].includes(folder(from)))
  expect(base.filter(({ to }) => [...FEATURES, 'doctor-day'].includes(folder(to)))).toEqual([])
  expect(base.filter(({ from, to }) => folder(from) === 'lib' && folder(to) !== 'lib')).toEqual([])
})

test('nobody but api.ts imports routes', () => {
  expect(imports.filter(({ to, from }) => room(to) === 'routes.ts' && from !== 'api.ts')).toEqual([])
})

/** The rules of a day and what they stand on, the reader of CSV, and the rules of a gate. */
const PURE = [
  ...[
    'rules',
    'slot-rules',
    'waitlist-rules',
    'queue-rules',
    'facts',
    'terms',
    'slot-times',
    'fold',
    'ledger',
    'live',
    'views',
    'refusal',
    'absence-rules',
    'move-commands',
    'move-rules',
    'fold-moves',
    'records',
    'slots',
    'day',
    'commands',
  ].map((name) => `doctor-day/${name}.ts`),
  'imports/csv.ts',
  'imports/pace.ts',
  'upstream/gate-rules.ts',
]

test.each(PURE)(
  '%s is pure: it reads nothing, writes nothing, waits for nothing, knows no platform',
  (path) => {
    const text = files.find((file) => file.path === path)?.text ?? ''
    const packages = [...text.matchAll(/ from '([^.][^']*)'/g)].map(([, name]) => name)
    const own = imports.filter(({ from }) => from === path).map(({ to }) => to)
    expect(text).not.toBe('')
    expect(packages.filter((name) => !['csv-parse', 'cockatiel'].includes(name ?? ''))).toEqual([])
    expect(own.filter((to) => ![...PURE, 'problem.ts', 'lib/time.ts'].includes(to))).toEqual([])
    expect(text).not.toMatch(/Date\.now|new Date\(\)|Math\.random|fetch\(|\benv\b/)
  },
)

test('no import goes round in a circle', () => {
  const walk = (path: string, trail: string[]): string[][] =>
    trail.includes(path)
      ? [[...trail, path]]
      : imports
          .filter(({ from, isType }) => from === path && !isType)
          .flatMap(({ to }) => walk(to, [...trail, path]))
  expect(walk('index.ts', [])).toEqual([])
})

test('a file has at most 250 lines of at most 110 columns, and no name that says nothing', () => {
  for (const { path, text } of files) {
    const lines = text.trimEnd().split('\n')
    expect([path, lines.length <= 250]).toEqual([path, true])
    expect([path, lines.filter((line) => line.length > 110)]).toEqual([path, []])
    expect(path).not.toMatch(/utils|helpers|common|manager|service/)
  }
})

test('the code map of the README names every folder and every file beside them, and nothing else', () => {
  const map = readme.match(/```\nsrc\/\n(.+?)```/s)?.[1] ?? ''
  const named = map.split('\n').flatMap((line) => line.match(/^ {2}([a-z-]+(?:\/|\.ts))/)?.[1] ?? [])
  const top = [...new Set(files.map(({ path }) => (folder(path) ? `${folder(path)}/` : path)))]
  expect(named.sort()).toEqual(top.sort())
})
