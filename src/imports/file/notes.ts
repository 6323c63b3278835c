import * as v from 'valibot'
import type { FileNotes } from './header'

/** What an answer says about the columns of a file. Each field is absent if there is nothing to say. */
export const FILE_NOTES = {
  separator: v.optional(
    v.pipe(v.picklist([';', '\t', '|']), v.description('What separates the cells, if it is not the comma')),
  ),
  ignored_columns: v.optional(
    v.pipe(v.array(v.string()), v.description('The columns that are no columns of this import')),
  ),
  warnings: v.optional(
    v.pipe(
      v.array(v.string()),
      v.description('Ignored columns that probably mean one of this import, or a file without a good row'),
    ),
  ),
}
export type NotedFile = v.InferOutput<v.ObjectSchema<typeof FILE_NOTES, undefined>>

export const notesOf = ({ separator, ignored, warnings }: FileNotes): NotedFile => ({
  ...(separator !== ',' && { separator }),
  ...(ignored.length > 0 && { ignored_columns: ignored }),
  ...(warnings.length > 0 && { warnings }),
})
