import * as v from 'valibot'
import { expect, test } from 'vitest'
import { hasPhones, PhoneText, phoneFault, toE164 } from '../src/lib/phone'

const ADA = '+12025550101'

test.each([
  ['+1 (202) 555-0101', 'DE', ADA],
  ['202.555.0101', 'US', ADA],
  ['(202) 555-0101', 'US', ADA],
  ['tel:+1-202-555-0101', 'US', ADA],
  ['TEL:2025550101', 'US', ADA],
  ['tel:2025550101;phone-context=+1', 'DE', ADA],
  ['0012025550101', 'DE', ADA],
  ['0012025550101', 'US', ADA],
  ['00 44 20 7946 0958', 'US', '+442079460958'],
  ['0011 44 20 7946 0958', 'AU', '+442079460958'],
  ['011 44 20 7946 0958', 'US', '+442079460958'],
  ['020 7946 0958', 'GB', '+442079460958'],
  ['+44 (0)20 7946 0958', 'GB', '+442079460958'],
  ['098765 43210', 'IN', '+919876543210'],
  ['06 1234 5678', 'IT', '+390612345678'],
  ['２０２５５５０１０１', 'US', ADA],
  ['＋１２０２５５５０１０１', 'US', ADA],
  ['٢٠٢٥٥٥٠١٠١', 'US', ADA],
  ['۲۰۲۵۵۵۰۱۰۱', 'US', ADA],
  ['२०२५५५०१०१', 'US', ADA],
  ['+๑ ๒๐๒ ๕๕๕ ๐๑๐๑', 'DE', ADA],
  ['২০২৫৫৫০১০১', 'US', ADA],
  ['+1‑202‑555‑0101', 'US', ADA],
  ['+1 202 555 0101', 'US', ADA],
])('%s in %s is %s', (phone, country, expected) => {
  expect(toE164(phone, country)).toBe(expected)
})

test.each([
  '2025550101;ext=5',
  '202 555 0101 x5',
  '2025550101 ext. 5',
  '2025550101#5',
  'tel:+12025550101;ext=5',
])('%s keeps its extension', (phone) => {
  expect(toE164(phone, 'US')).toBe(`${ADA};ext=5`)
})

test.each([
  '1-800-FLOWERS',
  '202-555-0101 home',
  'call 2025550101',
  '2025550101 / 2025550102',
  '2025550101, 2025550102',
  '2025550101 2025550102',
  '2025550101;2025550102',
  '2025550101 or later',
  '2025550101?',
  '2025550101abc',
  '+999 1234567890',
  '12',
  '+',
  '',
])('%s is no phone number', (phone) => {
  expect(toE164(phone, 'US')).toBeNull()
})

const fault = (phone: string) => v.safeParse(PhoneText, phone).issues?.[0].message

test.each(['x٥', 'x۵', 'x５', ';ext=٥', 'ext. ۵', '#٥'])(
  'an extension is the same in digits of any script: %s',
  (extension) => {
    expect(toE164(`+1 202 555 0101 ${extension}`, 'US')).toBe('+12025550101;ext=5')
  },
)

test.each(['tel:+12025550101;isub=1', 'tel:+12025550101;ISUB=1;ext=5', 'tel:+12025550101;ext=5;isub=1'])(
  'a sub-address is refused, because it would be dropped: %s',
  (phone) => {
    expect(toE164(phone, 'US')).toBeNull()
  },
)

const TWENTY = '+1 (202)  555 - 0101'

test.each([
  TWENTY,
  `${TWENTY};ext=5`,
  `${TWENTY} ext 1234567`,
  `${TWENTY}, extension: 1234567`,
  `${TWENTY} x5`,
  `${TWENTY} #5`,
  `${TWENTY},,5`,
  `tel:${TWENTY};ext=1234567`,
  '(202) 555-0101 ext 12',
  '+1-202-555-0101 ext. 5',
  'tel:+1-202-555-0101;ext=5',
  '+1 202 555 0101 anexo 5',
  '２０２ ５５５ ０１０１ ｅｘｔ １２',
])('%s is short enough, because neither its extension nor tel: is counted', (phone) => {
  expect(fault(phone)).toBeUndefined()
  expect(toE164(phone, 'US')).toMatch(/^\+12025550101(;ext=\d+)?$/)
})

test.each([
  [`${TWENTY}0`, 'must have at most 20 characters'],
  [`${TWENTY}0 ext 5`, 'must have at most 20 characters'],
  [`tel:${TWENTY}0`, 'must have at most 20 characters'],
  [`+1 202 555 0101${' '.repeat(40)}x5`, 'must have at most 20 characters'],
  ['0'.repeat(100_000), 'must have at most 20 characters'],
  [', '.repeat(100_000), 'must have at most 20 characters'],
  ['+1 202 555 0410 mobile', expect.stringMatching(/without letters/)],
  ['+1 202 555 0410 after five o’clock, please', expect.stringMatching(/without letters/)],
  ['123456789', 'must have at least 10 characters'],
  ['+1 202 555 0113 / +1 202 555 0114', 'must be one number, and this is more than one; send one of them'],
  ['2025550101, 2025550102', 'must be one number, and this is more than one; send one of them'],
])('a text that is too long or too short is told why (%#)', (phone, sentence) => {
  expect(fault(phone)).toEqual(sentence)
})

test.each([
  '+12025550101/5550102',
  '+12025550101+5550102',
  '5550101 or 5550102',
  '2025550101 2025550102',
  '2025550101;2025550102',
])('%s is called more than one number', (phone) => {
  expect([toE164(phone, 'US'), phoneFault(phone)]).toEqual([null, expect.stringMatching(/more than one/)])
})

test.each(['2025550101 x12345678', '2025550101;ext=12345678', '2025550101 ext. 123456789'])(
  '%s is told the limit of an extension',
  (phone) => {
    expect([toE164(phone, 'US'), phoneFault(phone)]).toEqual([
      null,
      expect.stringMatching(/at most 7 digits/),
    ])
  },
)

test.each(['\u202a', '\u202e', '\u2066', '\u2069', '\u200e', '\u200f', '\u200b', '\ufeff'])(
  'a number is taken with an invisible character in it (%#)',
  (mark) => {
    expect(v.parse(PhoneText, `${mark}+1 202${mark} 555 0101${mark}`)).toBe('+1 202 555 0101')
  },
)

test('letters among digits are named as the fault', () => {
  expect(phoneFault('1-800-FLOWERS')).toMatch(/digits, without letters/)
  expect(phoneFault('2025550101 home')).toMatch(/digits, without letters/)
  expect(phoneFault('12345678901234567890')).toMatch(/^must be a phone number/)
})

test.each([
  ['US', true],
  ['GB', true],
  ['XK', true],
  ['UK', false],
  ['EU', false],
  ['ZZ', false],
  ['001', false],
  ['toString', false],
])('%s has phones: %s', (country, expected) => {
  expect(hasPhones(country)).toBe(expected)
})
