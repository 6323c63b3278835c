import type { Day } from '../state/day'
import type { Recorded } from '../state/event'
import { dayKey } from '../storage/address'
import { type HintEnv, type Hints, hints } from './hints'
import { appendEvents, emptyStreamLog, lensOf, messagesAfter, type StreamLog } from './live'
import { type LiveStream, type Source, type StreamHost, streamTo } from './sockets'

/** What the live stream of a day needs of the object. */
interface DayHost extends Omit<StreamHost, 'source' | 'addressOf' | 'env'> {
  env: StreamHost['env'] & HintEnv
  day(): Day
  events(after: number): Iterable<Recorded>
}

/** The queue of one day, as its events change it, and the hints to objects that follow the whole clinic. */
export function liveStream({ day, events, env, ...host }: DayHost): LiveStream & Pick<Hints, 'follow'> {
  /** Only while the day has followers. */
  let streamLog: StreamLog | null = null

  const source: Source = {
    clinicId: () => day().identity?.clinicId ?? null,
    version: () => day().version,
    read() {
      const current = streamLog ?? emptyStreamLog()
      appendEvents(current, events(current.day.version))
      streamLog = current
    },
    messagesAfter(seq, view, names) {
      const current = streamLog ?? emptyStreamLog()
      return messagesAfter(current, seq, lensOf(view, current.day.identity, names.onBoards), names.byId)
    },
    forget() {
      streamLog = null
    },
  }
  const addressOf: StreamHost['addressOf'] = (clinicId, { doctorId, date }) =>
    dayKey(clinicId, doctorId, date)
  const stream = streamTo({ ...host, env, source, addressOf })
  const { follow, tell } = hints({ ctx: host.ctx, env, day, events })
  return {
    ...stream,
    follow,
    catchUp() {
      tell()
      return stream.catchUp()
    },
    restart() {
      stream.restart()
      tell()
    },
  }
}
