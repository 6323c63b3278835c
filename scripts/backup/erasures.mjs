// `npm run erasures`: keeps the list of those who were erased, apart from the state, for a later restore.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { readPositionals } from '../command-line.mjs'
import { STATE_DIR } from '../database.mjs'
import { erasuresIn } from '../erased.mjs'
import { hasLocal } from '../local-database.mjs'
import { fail } from '../ready.mjs'
import { isMain } from '../root.mjs'

const USAGE = `npm run erasures -- FILE

Adds to FILE who was erased in STATE_DIR: a line of JSON for each, with ids and no names. Keep FILE apart from the
state and from its backups, and give it to a restore: npm run restore -- BACKUP --erasures FILE

  STATE_DIR  the folder of the data (.wrangler/state), in the environment`

/** What a file lists, line by line. */
export function listed(file) {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines
    .filter((line) => line.trim() !== '')
    .map((line, number) => {
      const told = parsed(line)
      const isErasure = ['clinic_id', 'patient_id', 'erased_at'].every(
        (name) => typeof told?.[name] === 'string',
      )
      if (!isErasure) throw new Error(`line ${number + 1} of ${file} names no erasure`)
      return told
    })
}

function parsed(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** One for each patient: of two the earlier one. */
export function united(...lists) {
  const byPatient = new Map()
  for (const erasure of lists.flat()) {
    const name = JSON.stringify([erasure.clinic_id, erasure.patient_id])
    if (!byPatient.has(name)) byPatient.set(name, erasure)
  }
  return [...byPatient.values()]
}

function keep(file) {
  if (!hasLocal(STATE_DIR))
    throw new Error(`${STATE_DIR} holds no state. Set STATE_DIR to the folder of the data.`)
  const all = united(existsSync(file) ? listed(file) : [], erasuresIn(STATE_DIR))
  const part = `${file}.part`
  writeFileSync(part, all.map((erasure) => `${JSON.stringify(erasure)}\n`).join(''), { mode: 0o600 })
  const written = openSync(part, 'r')
  fsyncSync(written)
  closeSync(written)
  renameSync(part, file)
  return all.length
}

if (isMain(import.meta.url)) {
  const [[given]] = readPositionals(USAGE, 1)
  try {
    console.log(`${given} lists ${keep(resolve(given))} erasures.`)
  } catch (error) {
    fail(`The list was not kept: ${error.message}`)
  }
}
