import { env } from 'cloudflare:workers'
import type { Client } from './clinic'

/** Names are made of these, so that trigrams are shared as in any language. */
const SYLLABLES = [
  ...['ba', 'ke', 'lo', 'mi', 'nu', 'ra', 'so', 'ti', 've', 'zu', 'chi', 'dan', 'fel', 'gor', 'hal', 'jan'],
  ...['kor', 'lin', 'mar', 'nor', 'per', 'ros', 'sta', 'ter', 'vin', 'wol', 'xan', 'yor'],
]

/** D1 takes no statement of more than 30 seconds. */
const STEP = 50_000

/**
 * Patients as if they had been registered. Of ten, one is a Smith and one a Garcia; of twenty, one is a Quinn.
 * One name is rare, each tenth patient has an identifier, and the phones and birth dates are spread.
 */
export async function storeCrowd({ clinicId }: Client, size: number): Promise<void> {
  for (let from = 0; from < size; from += STEP)
    await env.DB.prepare(
      `WITH RECURSIVE numbers(i) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ?2),
         spread AS (SELECT i, i * 2654435761 % 4294967296 AS h,
           (i * 40503 + 12345) % 1000003 * 2654435761 % 4294967296 AS g FROM numbers),
         people AS (SELECT i, h, g, CASE WHEN i = 777 THEN 'rarissima person' ELSE
             (?4->>(h / 7 % 28)) || (?4->>(h / 196 % 28)) || (?4->>(h / 5488 % 4)) || ' ' || CASE
               WHEN i % 20 = 3 THEN 'quinn' WHEN i % 10 = 1 THEN 'smith' WHEN i % 10 = 2 THEN 'garcia'
               ELSE (?4->>(g / 7 % 28)) || (?4->>(g / 196 % 28)) || (?4->>(g / 5488 % 28)) END END AS name,
           '+1' || printf('%010d', 2000000000 + (h * 7919 + i) % 7999999999) AS phone FROM spread)
       INSERT INTO patients (id, clinic_id, name, name_folded, phone, created_at, op_id, folding, birth_date, identifiers)
       SELECT ?3 || printf('-%07d', i), ?3, name, name, phone, 1, 'o', 2,
         date('1930-01-01', '+' || (g / 3 % 33000) || ' days'),
         iif(i % 10 = 0, json_array(json_object('system', 'mrn', 'value', 'M-' || i)), NULL)
       FROM people`,
    )
      .bind(from, Math.min(from + STEP, size), clinicId, JSON.stringify(SYLLABLES))
      .run()
}

/** FTS5 reads through the rows of both, which D1 counts not and which takes time: 20 ms for 100,000 of each. */
export const NEVER_TOGETHER = 'two common words that no name has together'

/** What a desk may search for, and a patient whose phone and birth date are known. */
export async function searchesOf(
  { clinicId }: Client,
  size: number,
): Promise<[what: string, search: string][]> {
  const some = await env.DB.prepare('SELECT phone, birth_date FROM patients WHERE id = ?')
    .bind(`${clinicId}-${String(Math.floor(size / 20) * 10).padStart(7, '0')}`)
    .first<{ phone: string; birth_date: string }>()
  const { phone = '', birth_date = '' } = some ?? {}
  return [
    ['nothing', ''],
    ['a rare name', 'q=rarissima'],
    ['a name of one in ten', 'q=smith'],
    ['a part of it', 'q=mit'],
    ['two letters of one in twenty', 'q=qu'],
    ['one letter', 'q=s'],
    ['two common words', 'q=smith+ba'],
    [NEVER_TOGETHER, 'q=smith+garcia'],
    ['a phone', `q=${encodeURIComponent(phone)}`],
    ['the end of a phone', `q=${phone.slice(-4)}`],
    ['phone=', `phone=${encodeURIComponent(phone)}`],
    ['birth_date=', `birth_date=${birth_date}`],
    ['identifier=', `identifier=${encodeURIComponent(`mrn|M-${Math.floor(size / 20) * 10}`)}`],
    ['an identifier', `q=m-${Math.floor(size / 20) * 10}`],
    ['a common name born on a day', `q=smith&birth_date=${birth_date}`],
  ]
}
