// The file of a backup: a tar archive of a state's databases, whose last entry lists them all with their digests,
// so that a file without it is known to be incomplete. Needs the packaged Node.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync, readdirSync, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract, pack } from 'tar-stream'

const LIST = 'doctorday-backup.json'
const VERSION = 1
const LIST_BYTES_MAX = 256_000_000

/** Writes the files below `folder` and `facts` to `file`: a file of that name is complete. */
export async function writeArchive(folder, facts, file) {
  const archive = pack()
  const part = `${file}.part`
  const written = pipeline(archive, createWriteStream(part, { mode: 0o600 }))
  // Whoever waits for an entry would wait for ever for an archive that nothing reads.
  const failed = written.then(() => new Promise(() => {}))
  failed.catch(() => {})
  const files = []
  try {
    for (const path of filesIn(folder)) files.push(await Promise.race([add(archive, folder, path), failed]))
    const list = JSON.stringify({ version: VERSION, ...facts, files })
    archive.entry({ name: LIST, mode: 0o600 }, list)
    archive.finalize()
    await written
    await synced(part)
    await rename(part, file)
    await synced(dirname(resolve(file)))
  } catch (error) {
    archive.destroy()
    await rm(part, { force: true })
    throw error
  }
  return { files: files.length, bytes: statSync(file).size }
}

async function add(archive, folder, path) {
  const { size } = statSync(join(folder, path))
  const digest = createHash('sha256')
  const entry = archive.entry({ name: path.split(sep).join('/'), size, mode: 0o600 })
  await pipeline(
    createReadStream(join(folder, path)),
    async function* (pieces) {
      for await (const piece of pieces) {
        digest.update(piece)
        yield piece
      }
    },
    entry,
  )
  return { path: path.split(sep).join('/'), size, sha256: digest.digest('hex') }
}

/** Writes the files of a backup into `folder`, and returns the facts. Throws unless all are as they were written. */
export async function readArchive(file, folder) {
  const found = new Map()
  let list
  const entries = extract()
  const read = pipeline(createReadStream(file), entries)
  // A fault of the archive comes out of the loop below too.
  read.catch(() => {})
  try {
    for await (const entry of entries) {
      if (entry.header.name === LIST) list = JSON.parse(await textOf(entry))
      else found.set(entry.header.name, await stored(entry, folder))
    }
    await read
  } catch (error) {
    throw new Error(`${file} is no complete backup: ${error.message}`)
  }
  if (list === undefined) throw new Error(`${file} is no complete backup: its list is missing`)
  if (list.version !== VERSION)
    throw new Error(`${file} was written by another version of Doctorday; use that version to restore it`)
  for (const { path, sha256 } of list.files)
    if (found.get(path) !== sha256) throw new Error(`${file} is damaged: ${path} is not what was written`)
  if (found.size !== list.files.length)
    throw new Error(`${file} is damaged: it holds files that it does not list`)
  const { files: _, version: __, ...facts } = list
  return facts
}

async function stored(entry, folder) {
  const path = resolve(folder, entry.header.name)
  if (!path.startsWith(resolve(folder) + sep)) throw new Error(`${entry.header.name} lies outside of a state`)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const digest = createHash('sha256')
  await pipeline(
    entry,
    async function* (pieces) {
      for await (const piece of pieces) {
        digest.update(piece)
        yield piece
      }
    },
    createWriteStream(path, { mode: 0o600, flush: true }),
  )
  return digest.digest('hex')
}

async function textOf(entry) {
  const pieces = []
  let bytes = 0
  for await (const piece of entry) {
    bytes += piece.length
    if (bytes > LIST_BYTES_MAX) throw new Error('its list is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

async function synced(path) {
  const handle = await open(path, 'r')
  await handle.sync()
  await handle.close()
}

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
