import { expect, test } from 'vitest'
import { hasPhones, phoneFault, toE164 } from '../src/lib/phone'

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
