// The configuration of workerd for a Worker that is served on one machine, as text in Cap'n Proto.

/** The Workers that stand for Cloudflare's bindings: src/server/. Each is one file beside the configuration. */
export const SERVICES = ['d1', 'kv', 'queue', 'assets']

/**
 * The folders of a state, by the names of the services that read and write them. The databases of D1 and of the
 * Worker's objects lie where `wrangler dev` puts them, so that each opens what the other has written.
 */
export const FOLDERS = {
  'd1-files': 'v3/d1',
  'kv-files': 'v3/kv',
  'queue-files': 'v3/queues',
  'object-files': 'v3/do',
}

/** The names under which `serve` is told where to listen, and where the assets are. */
export const SOCKET = 'http'
export const ASSETS = 'asset-files'

/** From the compatibility date 2026-08-04 on; workerd complains of who says so. */
const BY_DEFAULT = 'nodejs_compat'

/** What no Worker here may do: reach another address than its bindings. */
const NOWHERE = 'nowhere'

/** The folder of KV's entries. */
export const KV_FOLDER = 'doctorday-KvNamespaceObject'

/** The class and the key of an object decide the file in which it is stored: neither may ever change. */
const OBJECTS = {
  d1: { className: 'D1DatabaseObject', uniqueKey: 'miniflare-D1DatabaseObject', binding: 'DATABASES' },
  kv: { className: 'KvNamespaceObject', uniqueKey: KV_FOLDER, binding: 'NAMESPACES' },
  queue: { className: 'QueueObject', uniqueKey: 'doctorday-QueueObject', binding: 'QUEUES' },
}

/** `worker` is what wrangler reads from a wrangler.toml; `modules` are the files of its bundle. */
export function configOf(worker, { modules, v8Flags }) {
  const { compatibilityDate } = worker
  const parts = [appOf(worker, modules), ...servicesOf(worker, compatibilityDate)]
  return `# Written by scripts/server/build.mjs.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  v8Flags = ${list(v8Flags.map(text))},
  sockets = [(name = "${SOCKET}", http = (), service = "app")],
  services = ${list([...parts, ...folders(), ...networks()])},
);
`
}

function appOf(worker, modules) {
  const classes = Object.values(worker.durableObjects ?? {}).map(classOf)
  return serviceOf('app', {
    modules,
    compatibilityDate: worker.compatibilityDate,
    compatibilityFlags: (worker.compatibilityFlags ?? []).filter((flag) => flag !== BY_DEFAULT),
    bindings: [
      ...Object.keys(worker.bindings ?? {}).map((name) => bindingOf(name, `fromEnvironment = ${text(name)}`)),
      ...Object.entries(worker.d1Databases ?? {}).map(([name, id]) => bindingOf(name, databaseOf(idOf(id)))),
      ...Object.entries(worker.kvNamespaces ?? {}).map(([name, id]) =>
        bindingOf(name, `kvNamespace = ${text(serviceName('kv', idOf(id)))}`),
      ),
      ...Object.entries(worker.queueProducers ?? {}).map(([name, { queueName }]) =>
        bindingOf(name, `queue = ${text(serviceName('queue', queueName))}`),
      ),
      ...Object.entries(worker.durableObjects ?? {}).map(([name, object]) =>
        bindingOf(name, `durableObjectNamespace = ${text(classOf(object))}`),
      ),
      ...(worker.assets?.binding ? [bindingOf(worker.assets.binding, 'service = "assets"')] : []),
    ],
    objects: [...new Set(classes)].map((className) => ({
      className,
      uniqueKey: `${worker.name}-${className}`,
    })),
    files: 'object-files',
    outbound: 'internet',
  })
}

/** One Worker for each database, namespace and queue. */
function servicesOf(worker, compatibilityDate) {
  const ids = (bindings) => [...new Set(Object.values(bindings ?? {}).map(idOf))]
  const shared = { compatibilityDate, compatibilityFlags: [], outbound: NOWHERE }
  const own = (kind, id, bindings = []) => {
    const { binding, ...object } = OBJECTS[kind]
    return serviceOf(serviceName(kind, id), {
      ...shared,
      modules: [`${kind}.js`],
      bindings: [
        bindingOf('NAME', `text = ${text(id)}`),
        bindingOf(binding, `durableObjectNamespace = ${text(object.className)}`),
        ...bindings,
      ],
      objects: [object],
      files: `${kind}-files`,
    })
  }
  const queues = [...new Set(Object.values(worker.queueProducers ?? {}).map(({ queueName }) => queueName))]
  return [
    ...ids(worker.d1Databases).map((id) => own('d1', id)),
    ...ids(worker.kvNamespaces).map((id) => own('kv', id)),
    ...queues.map((queue) =>
      own('queue', queue, [
        bindingOf(
          'SETTINGS',
          `json = ${text(JSON.stringify(settingsOf(queue, worker.queueConsumers?.[queue])))}`,
        ),
        bindingOf('CONSUMER', 'service = (name = "app", entrypoint = "QueueConsumer")'),
      ]),
    ),
    ...(worker.assets
      ? [
          serviceOf('assets', {
            ...shared,
            modules: ['assets.js'],
            bindings: [bindingOf('FILES', `service = ${text(ASSETS)}`)],
          }),
        ]
      : []),
  ]
}

/** Cloudflare's own defaults stand where wrangler.toml says nothing. */
const settingsOf = (queue, consumer = {}) => ({
  queue,
  batchSize: consumer.maxBatchSize ?? 10,
  batchTimeoutSeconds: consumer.maxBatchTimeout ?? 5,
  retries: consumer.maxRetries ?? 3,
  retryDelaySeconds: consumer.retryDelay ?? 0,
})

const serviceOf = (
  name,
  { modules, compatibilityDate, compatibilityFlags, bindings, objects, files, outbound },
) =>
  record({
    name: text(name),
    worker: record({
      modules: list(modules.map((file) => record({ name: text(file), esModule: `embed ${text(file)}` }))),
      compatibilityDate: text(compatibilityDate),
      compatibilityFlags: list(compatibilityFlags.map(text)),
      bindings: list(bindings),
      globalOutbound: text(outbound),
      ...(objects?.length
        ? {
            durableObjectNamespaces: list(
              objects.map(({ className, uniqueKey }) =>
                record({ className: text(className), uniqueKey: text(uniqueKey), enableSql: 'true' }),
              ),
            ),
            durableObjectStorage: record({ localDisk: text(files) }),
          }
        : {}),
    }),
  })

const bindingOf = (name, value) => `(name = ${text(name)}, ${value})`

const databaseOf = (id) => {
  const inner = bindingOf('fetcher', `service = ${text(serviceName('d1', id))}`)
  return `wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [${inner}])`
}

/** The folders are named when the server starts: `--directory-path`. */
const folders = () => [
  ...Object.keys(FOLDERS).map((name) => record({ name: text(name), disk: record({ writable: 'true' }) })),
  record({ name: text(ASSETS), disk: record({ writable: 'false' }) }),
]

const networks = () => [
  record({
    name: text('internet'),
    network: record({
      allow: list(['public', 'private'].map(text)),
      tlsOptions: record({ trustBrowserCas: 'true' }),
    }),
  }),
  record({ name: text(NOWHERE), network: record({ allow: list([]) }) }),
]

const serviceName = (kind, id) => `${kind}:${id}`
const idOf = (binding) => (typeof binding === 'string' ? binding : binding.id)
const classOf = (object) => (typeof object === 'string' ? object : object.className)

/** Text in Cap'n Proto is quoted as in JSON. */
const text = (value) => JSON.stringify(value)
const list = (items) => `[${items.join(', ')}]`
const record = (fields) =>
  `(${Object.entries(fields)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')})`
