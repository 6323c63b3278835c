import * as v from 'valibot'
import { type Fault, Problem, type ProblemCode } from '../problem'

// valibot's own sentences repeat the value received. Ours never do: where a schema gives no sentence, the
// rule's name has to serve.
v.setGlobalMessage((issue) => `breaks the rule ${issue.type}`)

const EXPECTED: Record<string, string> = {
  string: 'must be a string',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object',
}

/** What is wrong with an input, each fault with its field; nothing of the input itself. */
const faultsOf = (issues: readonly v.BaseIssue<unknown>[]): Fault[] =>
  issues.map((issue) => {
    const field = v.getDotPath(issue) ?? 'body'
    const [rule, sentence] = ruleOf(issue)
    return { field, rule, message: `${field} ${sentence}` }
  })

function ruleOf(issue: v.BaseIssue<unknown>): [rule: string, sentence: string] {
  if (issue.kind !== 'schema') return [issue.type, issue.message]
  if (issue.received === 'undefined' && issue.path) return ['required', 'is required']
  if (issue.type === 'picklist') return ['picklist', `must be one of ${listed(issue.expected)}`]
  return [issue.type, EXPECTED[issue.type] ?? issue.message]
}

/** `("a" | "b")` → `a, b` */
const listed = (expected: string | null) => expected?.replace(/[()"]/g, '').replaceAll(' | ', ', ')

/** Parses, or throws a Problem that lists every fault. */
export function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  code: ProblemCode = 'invalid_request',
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, input)
  if (parsed.success) return parsed.output
  throw invalid(faultsOf(parsed.issues), code)
}

/** One Problem for all faults; its sentence is theirs, one after the other. */
export const invalid = (faults: Fault[], code: ProblemCode = 'invalid_request') =>
  new Problem(code, faults.map((fault) => fault.message).join('; '), { faults })
