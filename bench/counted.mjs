import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../scripts/root.mjs'

const FOLDER = join(ROOT, '.wrangler', 'bench-counted-entry')
const COUNTED = join(ROOT, 'bench', 'workers', 'counted')
const SERVICE = join(ROOT, 'src', 'index')

/**
 * Writes the entry of the counted Worker (workers/counted) for the bindings and objects that wrangler.toml has,
 * and returns its path: a Worker must export each class of an object by its own name.
 */
export async function writeCountedEntry() {
  const { unstable_readConfig: readConfig } = await import('wrangler')
  const config = readConfig({ config: join(ROOT, 'wrangler.toml') })
  const objects = config.durable_objects.bindings
  const names = {
    databases: config.d1_databases.map(({ binding }) => binding),
    kv: config.kv_namespaces.map(({ binding }) => binding),
    queues: config.queues.producers.map(({ binding }) => binding),
    objects: objects.map(({ name }) => name),
  }
  const entry = join(FOLDER, 'index.ts')
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(
    entry,
    `import * as service from '${SERVICE}'
import { watch } from '${COUNTED}/bindings'
import { counted } from '${COUNTED}/objects'
export { default } from '${COUNTED}/index'
watch(${JSON.stringify(names)})
${objects.map(({ class_name }) => `export const ${class_name} = counted('${class_name}', service.${class_name})`).join('\n')}
`,
  )
  return entry
}
