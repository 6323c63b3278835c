import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import type { App } from '../context'
import type { DayList, DayListEntry } from './day-list'

/**
 * No paper size is named, so the page fits A4 and Letter. The header row stands on each sheet; no row is cut.
 */
const STYLE = `
@page { margin: 14mm 12mm }
@page { @bottom-right { content: counter(page) " / " counter(pages); font: 9pt sans-serif } }
:root { color-scheme: light; font: 10.5pt/1.35 system-ui, sans-serif; color: #000; background: #fff }
body { margin: 1rem auto; max-width: 62rem; padding: 0 1rem }
h1 { font-size: 1.4em; margin: 0 } p { margin: 0 0 .8em }
table { width: 100%; border-collapse: collapse }
th, td { border: 1px solid #777; padding: .35em .5em; text-align: start; vertical-align: top }
th { background: #eee; print-color-adjust: exact }
thead { display: table-header-group } tr { break-inside: avoid }
.number { text-align: end; white-space: nowrap } .short { white-space: nowrap }
.name { overflow-wrap: anywhere } .note { width: 22% }
.no_show, .completed { color: #555 }
@media print { body { margin: 0; max-width: none; padding: 0 } }
`

const HEADERS = {
  // The page loads nothing and runs nothing, and its own style is the only one that counts.
  'Content-Security-Policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Referrer-Policy': 'no-referrer',
}

const WEEKDAY = new Intl.DateTimeFormat('en', { weekday: 'long', timeZone: 'UTC' })

/** The list of a day as a page to print. Its title, which becomes the name of a file, names nobody. */
export function dayPage(
  c: Context<App>,
  { date, doctorName, entries }: DayList,
): Promise<Response> | Response {
  const count = entries.length === 1 ? '1 appointment' : `${entries.length} appointments`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Day list</title>
<link rel="icon" href="data:,">
<style>${raw(STYLE)}</style>
</head>
<body>
<h1>${WEEKDAY.format(new Date(date))}, ${date}</h1>
<p>${doctorName === null ? '' : html`<bdi>${doctorName}</bdi> · `}${count}</p>
<table>
<thead><tr><th>Slot</th><th>Time</th><th>Name</th><th>Phone</th><th>Age</th><th>Service</th><th>Status</th>
<th class="note">Notes</th></tr></thead>
<tbody>
${entries.map(rowOf)}</tbody>
</table>
</body>
</html>
`
  return c.html(page, 200, HEADERS)
}

const rowOf = ({ slot, starts_at, ends_at, patient_name, phone, age, service, status }: DayListEntry) =>
  html`<tr class="${status}"><td class="number">${slot}</td>
<td class="short">${clockOf(starts_at)}${ends_at ? '–' : ''}${clockOf(ends_at)}</td>
<td class="name"><bdi>${patient_name}</bdi></td><td class="short">${phone ?? ''}</td>
<td class="number">${age ?? ''}</td><td class="name"><bdi>${service ?? ''}</bdi></td>
<td class="short">${status.replace('_', ' ')}</td><td></td></tr>
`

/** What the clocks of the clinic show: `2026-03-08T09:00:00-04:00` → `09:00`. */
const clockOf = (instant = ''): string => instant.slice(11, 16)
