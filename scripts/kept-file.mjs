import { createHash } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { pipeline } from 'node:stream/promises'

const NAMES_MAX = 100

/** Rows can have personal data, so only the file's owner may read it. */
const MODE = 0o600

/** SHA-256 of a file, in hexadecimal, read as a stream. */
export async function sha256Of(path) {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}

/**
 * Writes a stream to a file and returns its name: `path`, or with a number if `path` has other content.
 * It overwrites no existing file, does not write the same content twice, and leaves no file after an error.
 */
export async function keep(stream, path) {
  const part = `${path}.part-${process.pid}`
  try {
    await pipeline(stream, createWriteStream(part, { flags: 'wx', mode: MODE }))
    return await named(part, path)
  } finally {
    await rm(part, { force: true })
  }
}

async function named(part, path) {
  const content = await sha256Of(part)
  for (let number = 1; number <= NAMES_MAX; number += 1) {
    const name = number === 1 ? path : numbered(path, number)
    const isTaken = await copyFile(part, name, constants.COPYFILE_EXCL).then(
      () => false,
      (error) => {
        if (error.code !== 'EEXIST') throw error
        return true
      },
    )
    if (!isTaken || (await sha256Of(name)) === content) return name
  }
  throw new Error(`There are already ${NAMES_MAX} files like ${path}; delete some`)
}

/** `a.failed.csv` → `a.failed-2.csv` */
function numbered(path, number) {
  const { dir, name, ext } = parse(path)
  return join(dir, `${name}-${number}${ext}`)
}
