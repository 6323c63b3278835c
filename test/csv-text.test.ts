import fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvLine, disarm, rearm } from '../src/http/lists/csv-text'
import { readCsv } from '../src/imports/csv'
import { utf8 } from './directory'

test.each([
  [['a', 'b'], 'a,b\r\n'],
  [['a,b', 'say "hi"', 'two\nlines', ''], '"a,b","say ""hi""","two\nlines",\r\n'],
  [['=1+1', '+1 202', '-x', '@x', '\tx', '\rx'], "'=1+1,'+1 202,'-x,'@x,'\tx,\"'\rx\"\r\n"],
  [['＝1+1', '＋1', '－1', '＠x', '\n=x', "'＝x"], "'＝1+1,'＋1,'－1,'＠x,\"'\n=x\",''＝x\r\n"],
  [["O'Hara", "'quoted", ' =x', "'=x"], "O'Hara,'quoted, =x,''=x\r\n"],
])('%j is written as %j', (cells, line) => {
  expect(csvLine(cells)).toBe(line)
})

const cell = fc.string({
  unit: fc.constantFrom("'", '=', '+', '-', '@', '＝', '；', ';', '|', '\t', '\r', '\n', '"', ',', 'a', 'é'),
  maxLength: 6,
})

test('what is disarmed starts with no formula, and rearmed it is itself again', () => {
  fc.assert(
    fc.property(cell, (text) => {
      expect(disarm(text)).not.toMatch(/^[=+\-@＝＋－＠\t\r\n]/)
      expect(rearm(disarm(text))).toBe(text)
    }),
  )
})

test('any cells written and read are the very same cells', async () => {
  await fc.assert(
    fc.asyncProperty(cell, cell, async (name, address) => {
      const file = csvLine(['name', 'address', 'row']) + csvLine([name, address, '7'])
      const columns = [
        { name: 'name', isRequired: false },
        { name: 'address', isRequired: false },
      ] as const
      const read: string[][] = []
      for await (const { cells } of readCsv(pieces(file), columns))
        if (cells) read.push([cells.name, cells.address])
      expect(read).toEqual([[name, address]])
    }),
  )
})

async function* pieces(text: string) {
  yield utf8(text)
}
