import { expect, test } from 'vitest'
import codeMap from '../docs/code.md?raw'

const files = Object.entries(
  import.meta.glob<string>('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }),
).map(([path, text]) => ({ path: path.replace('../src/', ''), text }))

const everyFile = Object.keys(
  import.meta.glob<string>('../src/**/*', { query: '?raw', import: 'default', eager: true }),
).map((path) => path.replace('../src/', ''))

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
const parent = (path: string) => path.split('/').slice(0, -1).join('/')
const room = (path: string) => path.split('/').at(-1) ?? ''
const BASE = ['', 'http', 'lib', 'doctor-day', 'recorder']
const FEATURES = [...new Set(files.map(({ path }) => folder(path)))].filter((name) => !BASE.includes(name))

/** Downward only: each file imports from its own floor or below. */
const FLOORS: [floor: number, is: (path: string) => boolean][] = [
  [0, (path) => path === 'index.ts' || path === 'client.ts'],
  [1, (path) => path === 'api.ts'],
  [2, (path) => room(path) === 'routes.ts'],
  [6, (path) => folder(path) === 'lib'],
  [5, (path) => ['context.ts', 'once.ts', 'problem.ts'].includes(path) || folder(path) === 'recorder'],
  [4, (path) => ['http', 'doctor-day'].includes(folder(path))],
  [
    4,
    (path) =>
      room(path) === 'model.ts' ||
      [
        'access/permissions.ts',
        'access/roles.ts',
        'appointments/choice.ts',
        'appointments/waitlist.ts',
        'days/affected.ts',
        'doctors/weekly-hours.ts',
        'doctors/working-hours.ts',
      ].includes(path),
  ],
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

test('http/, doctor-day/ and recorder/ import no feature, not even a type, and lib/ imports nothing but lib/', () => {
  const base = imports.filter(({ from }) => ['http', 'lib', 'doctor-day', 'recorder'].includes(folder(from)))
  expect(base.filter(({ to }) => FEATURES.includes(folder(to)))).toEqual([])
  expect(base.filter(({ from, to }) => folder(from) === 'http' && folder(to) === 'doctor-day')).toEqual([])
  expect(base.filter(({ from, to }) => folder(from) === 'lib' && folder(to) !== 'lib')).toEqual([])
})

test('only api.ts imports the routes of a feature; the routes that all imports share are imported by them', () => {
  const ofRoutes = imports.filter(({ to }) => room(to) === 'routes.ts' && to !== 'imports/routes.ts')
  expect(ofRoutes.filter(({ from }) => from !== 'api.ts')).toEqual([])
  const shared = imports.filter(({ to }) => to === 'imports/routes.ts').map(({ from }) => from)
  expect(shared.sort()).toEqual(['hospitals/routes.ts', 'medical-tests/routes.ts', 'patients/routes.ts'])
})

/** The rules of a day and what they know of it, the readers of files, the messages of a live stream, the rules of a gate. */
const PURE_FOLDERS = ['doctor-day/rules', 'doctor-day/state']
const PURE_FILES = [
  'imports/csv.ts',
  'imports/file/header.ts',
  'imports/file/ndjson.ts',
  'imports/file/opening.ts',
  'imports/file/parser.ts',
  'imports/file/rows.ts',
  'doctor-day/readers/live.ts',
  'upstream/gate-rules.ts',
]
const isPure = (path: string) => PURE_FOLDERS.includes(parent(path)) || PURE_FILES.includes(path)
/** They hold types and pure functions. */
const PURE_HELP = [
  'doctor-day/commands.ts',
  'doctor-day/refused.ts',
  'doctor-day/wish-commands.ts',
  'http/input/json-fault.ts',
  'problem.ts',
  'http/lists/csv-text.ts',
  'lib/near.ts',
  'lib/time.ts',
]
const PURE_PACKAGES = ['csv-parse', 'cockatiel']

test('rules/, state/ and the other pure files read nothing, write nothing, wait for nothing, know no platform', () => {
  const pure = files.filter(({ path }) => isPure(path))
  expect(pure.length).toBeGreaterThan(14)
  for (const { path, text } of pure) {
    const packages = [...text.matchAll(/ from '([^.][^']*)'/g)].map(([, name]) => name ?? '')
    const own = imports.filter(({ from }) => from === path).map(({ to }) => to)
    expect([path, packages.filter((name) => !PURE_PACKAGES.includes(name))]).toEqual([path, []])
    expect([path, own.filter((to) => !isPure(to) && !PURE_HELP.includes(to))]).toEqual([path, []])
    expect(text).not.toMatch(/Date\.now|new Date\(\)|Math\.random|fetch\(|\benv\b/)
  }
})

test('no import goes round in a circle, types included', () => {
  const targets = (path: string) => imports.flatMap(({ from, to }) => (from === path ? [to] : []))
  const done = new Set<string>()
  const circles: string[][] = []
  const walk = (path: string, trail: string[]) => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path])
    if (trail.includes(path) || done.has(path)) return
    for (const to of targets(path)) walk(to, [...trail, path])
    done.add(path)
  }
  for (const { path } of files) walk(path, [])
  expect(circles).toEqual([])
})

/** They are as short as what they say: the entry, the typed client, what stands in for unused packages. */
const SHORT = ['index.ts', 'client.ts', 'lib/nothing.ts']

test('a file has 15 to 250 lines of at most 110 columns, and no name that says nothing', () => {
  for (const { path, text } of files) {
    const lines = text.trimEnd().split('\n')
    expect([path, lines.length <= 250]).toEqual([path, true])
    expect([path, lines.length >= 15 || SHORT.includes(path)]).toEqual([path, true])
    expect([path, lines.filter((line) => line.length > 110)]).toEqual([path, []])
    expect(path).not.toMatch(/utils|helpers|common|manager|service/)
  }
})

test('a folder holds at least 3 files and folders, and at most 14 files', () => {
  const inside = (path: string) => everyFile.filter((file) => file.startsWith(`${path}/`))
  const folders = [...new Set(everyFile.map(parent))].filter((path) => path !== '')
  expect(folders.length).toBeGreaterThan(20)
  for (const path of folders) {
    const entries = new Set(inside(path).map((file) => file.slice(path.length + 1).split('/')[0]))
    expect([path, entries.size >= 3]).toEqual([path, true])
    expect([path, inside(path).filter((file) => parent(file) === path).length <= 14]).toEqual([path, true])
  }
})

test('the code map of docs/code.md names every folder and every file beside them, and nothing else', () => {
  const map = codeMap.match(/```\nsrc\/\n(.+?)```/s)?.[1] ?? ''
  const named = map.split('\n').flatMap((line) => line.match(/^ {2}([a-z-]+(?:\/|\.ts))/)?.[1] ?? [])
  const top = [...new Set(files.map(({ path }) => (folder(path) ? `${folder(path)}/` : path)))]
  expect(named.sort()).toEqual(top.sort())
})
