const CELLS = 16
/** Without a terminal, a line is written after each step of this size and when the label changes. */
const STEP_PERCENT = 10

/** A bar that is redrawn on a terminal; separate lines elsewhere. */
export function progressBar(stream = process.stderr) {
  return stream.isTTY ? drawn(stream) : written(stream)
}

function drawn(stream) {
  const clear = '\r\u001b[K'
  return {
    show(label, percent, facts) {
      const done = Math.floor((CELLS * percent) / 100)
      const bar = '█'.repeat(done) + '░'.repeat(CELLS - done)
      const line = `${label.padEnd(9)} ${bar} ${Math.floor(percent)} %  ${facts}`
      stream.write(clear + line.slice(0, (stream.columns || 80) - 1))
    },
    say: (line) => stream.write(`${clear}${line}\n`),
    end: () => stream.write(clear),
  }
}

function written(stream) {
  let last = ''
  return {
    show(label, percent, facts) {
      const step = `${label} ${Math.floor(percent / STEP_PERCENT)}`
      if (step === last) return
      last = step
      stream.write(`${label} ${Math.floor(percent)} %  ${facts}\n`)
    },
    say: (line) => stream.write(`${line}\n`),
    end: () => {},
  }
}

/** `75` → `1 min 15 s` */
export function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.ceil((seconds % 3_600) / 60)} min`
}

export const megabytes = (bytes) => `${(bytes / 1_048_576).toFixed(1)} MB`
