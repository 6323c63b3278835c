/**
 * What waits for the next lot: a line for each clinic. A lot takes one of each line in turn, so that a clinic
 * that floods the service waits in its own line, and the others in none.
 */
export interface Waiting<Item extends Waits> {
  /** False where the clinic, or all clinics together, have too much waiting. */
  add(item: Item): boolean
  /** The next lot; empty where nothing waits. */
  take(): Item[]
}

interface Waits {
  clinicId: string
  bytes: number
}

/** `lot…`: of one lot. `clinic…` and `…Max`: of all that waits. */
export interface WaitingLimits {
  lotEntriesMax: number
  lotBytesMax: number
  clinicEntriesMax: number
  clinicBytesMax: number
  bytesMax: number
}

export function waiting<Item extends Waits>(limits: WaitingLimits): Waiting<Item> {
  /** In the order in which their turn comes; a line that is empty is removed. */
  const lines = new Map<string, { items: Item[]; bytes: number }>()
  let bytesWaiting = 0

  return {
    add(item) {
      const line = lines.get(item.clinicId) ?? { items: [], bytes: 0 }
      const isLineFull =
        line.items.length >= limits.clinicEntriesMax || line.bytes + item.bytes > limits.clinicBytesMax
      if (isLineFull || bytesWaiting + item.bytes > limits.bytesMax) return false
      line.items.push(item)
      line.bytes += item.bytes
      lines.set(item.clinicId, line)
      bytesWaiting += item.bytes
      return true
    },
    take() {
      const lot: Item[] = []
      let bytes = 0
      for (;;) {
        const [next] = lines
        if (next === undefined || lot.length >= limits.lotEntriesMax) break
        const [clinicId, line] = next
        const [item] = line.items
        if (item && lot.length > 0 && bytes + item.bytes > limits.lotBytesMax) break
        line.items.shift()
        lines.delete(clinicId)
        if (line.items.length > 0) lines.set(clinicId, line)
        if (!item) continue
        line.bytes -= item.bytes
        lot.push(item)
        bytes += item.bytes
      }
      bytesWaiting -= bytes
      return lot
    },
  }
}
