import { foldName } from '../lib/folding'

/** How likely two records are of one person. */

interface Facts {
  name: string
  phone: string
  birth_date: string | null
}

export type Agreement = 'phone' | 'name' | 'birth_date'

/**
 * Two of three facts must agree, one of them may do so nearly; or the full name alone, if no birth date tells
 * otherwise. Families share phones, and many people share a birthday or one name, so these suggest nothing.
 */
export const SCORE_MIN = 50
const SAME_PHONE = 40
const SAME_NAME = 40
/** Of two words and more, in any order. */
const SAME_FULL_NAME = 50
const SAME_BIRTH_DATE = 30
/** Of the same name and phone, another birth date may be a slip, so it only lowers the score. */
const OTHER_BIRTH_DATE = -30

/** Of names that are less alike, the likeness is chance. */
const ALIKE_FROM = 0.6

/** From 0 to 100, and what agrees. */
export function likeness(one: Facts, other: Facts): { score: number; agrees: Agreement[] } {
  const names = alike(one.name, other.name)
  const agrees: Agreement[] = []
  let score = 0
  if (one.phone === other.phone) {
    agrees.push('phone')
    score += SAME_PHONE
  }
  if (names >= ALIKE_FROM) {
    agrees.push('name')
    score += names === 1 ? ofSameName(one.name) : Math.round(0.75 * SAME_NAME * names)
  }
  if (one.birth_date !== null && other.birth_date !== null) {
    const isSame = one.birth_date === other.birth_date
    if (isSame) agrees.push('birth_date')
    score += isSame ? SAME_BIRTH_DATE : OTHER_BIRTH_DATE
  }
  return { score: Math.min(100, Math.max(0, score)), agrees }
}

const ofSameName = (name: string): number => (foldName(name).includes(' ') ? SAME_FULL_NAME : SAME_NAME)

/** From 0 to 1: how many pairs of letters two names have in common, in whatever order their words stand. */
function alike(one: string, other: string): number {
  const [a, b] = [pairsOf(one), pairsOf(other)]
  const left = new Map<string, number>()
  for (const pair of b) left.set(pair, (left.get(pair) ?? 0) + 1)
  let common = 0
  for (const pair of a) {
    const count = left.get(pair) ?? 0
    if (count > 0) common += 1
    left.set(pair, count - 1)
  }
  return a.length + b.length === 0 ? 1 : (2 * common) / (a.length + b.length)
}

/** Each word begins and ends with a space, so that its first and last letter count. */
const pairsOf = (name: string): string[] =>
  foldName(name)
    .split(/[ -]/)
    .flatMap((word) => {
      const letters = [...` ${word} `]
      return letters.slice(1).map((letter, index) => `${letters[index]}${letter}`)
    })
