// What the documentation tells its reader to type, read from the Markdown files themselves.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/root.mjs'

/** The README first, as a reader does. */
export const FILES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`)
    .sort(),
]

export const textOf = (file) => readFileSync(join(ROOT, file), 'utf8')

/** The fenced blocks of a Markdown text: what stands behind the fence, and the lines with their numbers. */
export function blocksOf(markdown) {
  const blocks = []
  let open = null
  for (const [index, text] of markdown.split('\n').entries()) {
    const fence = /^ *```(.*)$/.exec(text)
    if (!fence) open?.lines.push({ number: index + 1, text })
    else if (open) {
      blocks.push(open)
      open = null
    } else open = { info: fence[1].trim(), lines: [] }
  }
  return blocks
}

/**
 * The commands of a file's `sh` blocks, in order. A command is one line, continued where the line ends in a
 * backslash. Behind it may stand what it must come to: `# 409` a refusal, `# exit 1` an exit code. Comment
 * lines right below that hold JSON are its answer.
 */
export function commandsOf(file, markdown) {
  const commands = blocksOf(markdown)
    .filter(({ info }) => info === 'sh')
    .flatMap(({ lines }) => commandsOfBlock(lines))
  return commands.map(({ number, text, comments }) => ({
    where: `${file}:${number}`,
    text,
    ...expectationOf(text),
    answer: answerOf(`${file}:${number}`, comments),
  }))
}

function commandsOfBlock(lines) {
  const commands = []
  for (const { number, text } of lines) {
    const last = commands.at(-1)
    if (last?.text.endsWith('\\')) last.text += `\n${text}`
    else if (text.startsWith('#')) last?.comments.push(text.replace(/^# ?/, ''))
    else if (text.trim() !== '') commands.push({ number, text, comments: [] })
  }
  return commands
}

function expectationOf(text) {
  const [, status] = / # ([1-5]\d\d)\b/.exec(text) ?? []
  const [, exit] = / # exit (\d+)\b/.exec(text) ?? []
  return { status: status && Number(status), exit: Number(exit ?? 0) }
}

/** The JSON that the comments begin with; what follows it belongs to the next command. */
function answerOf(where, comments) {
  if (!/^[[{]/.test(comments[0] ?? '')) return undefined
  for (const [index] of comments.entries()) {
    const text = comments.slice(0, index + 1).join('')
    if (isJson(text)) return text
  }
  throw new Error(`${where}: the answer below it is not JSON`)
}

function isJson(text) {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
