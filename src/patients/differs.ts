import { foldName } from '../lib/folding'
import { isOtherGender } from './identity'
import type { Identifier, NewPatient, Patient } from './model'

type Said = Omit<NewPatient, 'shared_phone'>

/**
 * The fields in which a request says something else of a known patient than the record does. What it does not
 * say, or null, differs from nothing. Name and phone can differ where the patient is known by a record that
 * was merged into this one. `said.phone` is in E.164.
 */
export function differs(said: Said, known: Patient): string[] {
  const isSame: Record<keyof Required<Said>, boolean> = {
    name: foldName(said.name) === foldName(known.name),
    phone: said.phone === known.phone,
    age: said.age === known.age,
    gender: !isOtherGender(said.gender, known.gender),
    email: said.email === known.email,
    birth_date: said.birth_date === known.birth_date,
    identifiers: !said.identifiers?.some((one) => !known.identifiers.some((other) => isEqual(one, other))),
    language: said.language === known.language,
    notes: said.notes === known.notes,
    contact_ok: said.contact_ok === known.contact_ok,
  }
  return Object.entries(isSame).flatMap(([field, same]) =>
    same || said[field as keyof Said] == null ? [] : [field],
  )
}

const isEqual = (one: Identifier, other: Identifier): boolean =>
  one.system === other.system && one.value === other.value
