import type { Context } from 'hono'
import { routePath } from 'hono/route'
import type * as v from 'valibot'
import type { App } from '../../context'
import { csvOf } from './columns'

/** Without it Excel reads UTF-8 as the code page of the computer, and a name like José becomes JosÃ©. */
const BYTE_ORDER_MARK = '\uFEFF'

/** Whether the caller of a list wants CSV. `chooseForm` has decided it. */
export const wantsCsv = (c: Context<App>): boolean => c.get('listForm') === 'csv'

/** Answers with CSV for a spreadsheet. */
export const replyCsv = (c: Context<App>, row: v.GenericSchema, rows: readonly unknown[]): Response =>
  c.body(BYTE_ORDER_MARK + csvOf(row, rows), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${fileNameOf(c)}.csv"`,
  })

/** The last word of the route that is no parameter: a path can hold an id or a name, the route cannot. */
const fileNameOf = (c: Context<App>): string =>
  routePath(c, -1)
    .split('/')
    .findLast((part) => /^[a-z-]+$/.test(part)) ?? 'list'
