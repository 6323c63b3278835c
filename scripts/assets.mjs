// Fills `.assets/` with the files of the documentation pages, so that the pages load from this origin only.
// wrangler runs it before each build (wrangler.toml, [build]), so a deployment cannot lack them.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { isMain, ROOT } from './root.mjs'

const OWN = 'src/console/assets'
const SWAGGER_UI = 'node_modules/swagger-ui-dist'
const REDOC = 'node_modules/redoc'

/** Redoc loads its logo from a CDN. With an address that cannot load it shows no logo. */
const REDOC_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
const NO_LOGO = 'data:,'

export function copyAssets() {
  const wanted = new Map(pageFiles().map(([to, from, change]) => [to, contentOf(from, change)]))
  for (const file of filesIn(join(ROOT, '.assets')))
    if (!wanted.has(file)) rmSync(join(ROOT, '.assets', file))
  for (const [file, content] of wanted) writeIfChanged(join(ROOT, '.assets', file), content)
}

/** A file under a version never changes, so browsers may cache it for ever (src/console/pages.ts). */
function pageFiles() {
  const swaggerUi = (file) => [`docs/${versionOf(SWAGGER_UI)}/${file}`, `${SWAGGER_UI}/${file}`]
  const redoc = (file, change) => [`redoc/${versionOf(REDOC)}/${file}`, `${REDOC}/bundles/${file}`, change]
  return [
    ['docs/page.js', `${OWN}/docs.js`],
    ['docs/page.css', `${OWN}/page.css`],
    ['redoc/page.js', `${OWN}/redoc.js`],
    ['redoc/page.css', `${OWN}/page.css`],
    swaggerUi('swagger-ui.css'),
    swaggerUi('swagger-ui-bundle.js'),
    swaggerUi('swagger-ui-bundle.js.LICENSE.txt'),
    redoc('redoc.standalone.js', withoutLogo),
    redoc('redoc.standalone.js.LICENSE.txt'),
  ]
}

const versionOf = (folder) => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')).version

function contentOf(from, change) {
  const content = readFileSync(join(ROOT, from))
  return change ? Buffer.from(change(content.toString())) : content
}

function withoutLogo(script) {
  if (!script.includes(REDOC_LOGO)) throw new Error('Redoc no longer names its logo as assets.mjs expects')
  return script.replaceAll(REDOC_LOGO, NO_LOGO)
}

/** An unchanged file stays untouched: `wrangler dev` watches them and would reload. */
function writeIfChanged(path, content) {
  try {
    if (readFileSync(path).equals(content)) return
  } catch {
    mkdirSync(dirname(path), { recursive: true })
  }
  writeFileSync(path, content)
}

function filesIn(folder) {
  mkdirSync(folder, { recursive: true })
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
}

if (isMain(import.meta.url)) copyAssets()
