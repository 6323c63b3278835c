import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, platform, release, totalmem } from 'node:os'

/** Linux reports CPU time in ticks of a hundredth of a second. */
const TICK_MICROS = 10_000

/** Resets VmHWM; see proc(5). */
const RESET_PEAK = '5'

/** Only Linux has /proc; on other systems CPU and memory are not measured. */
const IS_MEASURED = platform() === 'linux'

/** Measures the processes of one group. `pid` leads the group; workerd is in it. */
export function metered(pid) {
  const group = IS_MEASURED ? membersOf(pid) : []
  const workerd = group.find(({ command }) => command === 'workerd')?.pid
  return {
    /** Microseconds of CPU since the start, or null if it is not measured. */
    cpuMicros: () => (IS_MEASURED ? sum(group.map((process) => cpuMicrosOf(process.pid))) : null),
    resetPeak: () => workerd && writeFileSync(`/proc/${workerd}/clear_refs`, RESET_PEAK),
    /** Bytes of memory: the peak since `resetPeak`, and now. */
    peakBytes: () => (workerd ? statusOf(workerd, 'VmHWM') : null),
    bytes: () => (workerd ? statusOf(workerd, 'VmRSS') : null),
  }
}

const membersOf = (groupId) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readStat(name)
      return stat && Number(stat.fields[2]) === groupId ? [{ pid: name, command: stat.command }] : []
    })

function cpuMicrosOf(pid) {
  const { fields } = readStat(pid) ?? { fields: [] }
  return ((Number(fields[11]) || 0) + (Number(fields[12]) || 0)) * TICK_MICROS
}

/** The command is in parentheses and may contain spaces; the first field after it is the state. */
function readStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = text.lastIndexOf(')')
    return { command: text.slice(text.indexOf('(') + 1, end), fields: text.slice(end + 2).split(' ') }
  } catch {
    return null // The process has ended.
  }
}

function statusOf(pid, field) {
  const [, kib] =
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return kib === undefined ? null : Number(kib) * 1024
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

export function machine() {
  return {
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    processor: `${cpus()[0]?.model.trim()} × ${cpus().length}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release()}`,
    node: process.version,
    commit: commit(),
  }
}

function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
