import * as v from 'valibot'
import { expect, test } from 'vitest'
import { IsoInstant, LocalDate } from '../src/lib/time'

const messageOf = (schema: v.GenericSchema, text: string) => v.safeParse(schema, text).issues?.[0].message

test.each([
  ['2025-01-10', /also have a time and a zone/],
  ['2025-01', /also have a time and a zone/],
  ['2025', /also have a time and a zone/],
  ['2025-01-10T12:30', /end with a zone/],
  ['2025-01-10t12:30:00', /end with a zone/],
  ['2025-01-10 12:30:00.5', /end with a zone/],
  ['2025-W02-5T12:30:00Z', /week date/],
  ['2025W025T1230Z', /week date/],
  ['2025-w02-5T12:30Z', /week date/],
  ['2025-010T12:30:00Z', /day of the year/],
  ['2025010T123000Z', /day of the year/],
  ['2025-01-10T24:00:00Z', /24:00 as 00:00 of the next day/],
  ['2025-01-10T24:00+05:30', /24:00 as 00:00 of the next day/],
  ['2025-01-10T24:00', /24:00 as 00:00 of the next day/],
  ['2025-01-10T24:01:00Z', /exist/],
  ['2016-12-31T23:59:60Z', /leap second/],
  ['2016-12-31T23:59:60.5+00:00', /leap second/],
  ['20250110T123000Z', /dashes/],
  ['20250110', /dashes/],
  ['2025-01-10T123000Z', /colons/],
  ['2025-01-10T12Z', /hours and minutes/],
  ['2025-01-10T12:30:00[Europe/Berlin]', /brackets/],
  ['2025-01-10T12:30:00+01:00[Europe/Berlin]', /brackets/],
  ['2025-01-10T12:30:00 Z', /space before the zone/],
  ['2025-01-10T12:30:00\u221205:00', /plain -/],
  ['2025-01-10T12:30:00CET', /name of a zone/],
  ['2025-01-10 12:30:00 UTC', /name of a zone/],
  ['2025-01-10T12:30:00.1234567890Z', /at most 9 digits/],
  ['2025-02-30T12:30:00Z', /date and a time that exist/],
  ['2025-13-01T12:30:00z', /date and a time that exist/],
  ['2025-01-10T25:00:00Z', /date and a time that exist/],
  ['2025-01-10T12:30:00+25:00', /offset from/],
  ['2025-01-10T12:30:00+5:30', /offset from/],
  ['+002025-01-10T12:30:00Z', /four digits/],
  ['1736512200', /not a number/],
  ['1736512200000', /not a number/],
  [' 2025-01-10T12:30:00Z', /space/],
  ['2025-01-10T12:30:00Z\n', /space/],
  ['10.01.2025 12:30', /ISO 8601 with date, time and zone/],
  ['yesterday', /ISO 8601 with date, time and zone/],
])('the instant %j is refused with a sentence that is true', (text, sentence) => {
  expect(messageOf(IsoInstant, text)).toMatch(sentence)
})

test.each([
  '2025-01-10t12:30:00z',
  '2025-01-10 12:30Z',
  '2025-01-10T12:30+0530',
  '2025-01-10T12:30:00,5+05',
  '2025-01-10T12:30:00.123456789-00:00',
  '2024-02-29T23:59:59+23:59',
])('the instant %s is accepted', (text) => {
  expect(messageOf(IsoInstant, text)).toBeUndefined()
})

test.each([
  ['2026-W11-6', /week date/],
  ['2026W116', /week date/],
  ['2026-073', /day of the year/],
  ['2026073', /day of the year/],
  ['20260314', /dashes/],
  ['2026-03-14T00:00:00Z', /without a time/],
  ['2026-03-14 09:00', /without a time/],
  ['2026-03', /must have a day/],
  ['2026-3-14', /two digits/],
  ['+002026-03-14', /four digits/],
  [' 2026-03-14', /space/],
  ['14.03.2026', /a date like 2026-03-14/],
  ['', /a date like 2026-03-14/],
  ['2026-02-30', /a date that exists/],
])('the date %j is refused with a sentence that is true', (text, sentence) => {
  expect(messageOf(LocalDate, text)).toMatch(sentence)
})
