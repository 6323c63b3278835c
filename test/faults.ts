import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import type { RemoteDay } from '../src/doctor-day/client'
import type { Answer, Command } from '../src/doctor-day/commands'
import type { Step } from '../src/doctor-day/moving/requests'

type Call = () => Promise<unknown>

/** What a request sends to a day itself. All else one day says to another, and comes from their objects alone. */
const BETWEEN_DAYS = ['reserve', 'confirm_move', 'release_move', 'point']

/**
 * Stands between the days: sees each command that one sends another, and may lose, delay or repeat the call. The
 * days, their storage and their rules stay the real ones.
 */
export function betweenDays(
  meddle: (command: Command, call: Call) => Promise<unknown>,
  types = BETWEEN_DAYS,
): { mockRestore(): void } {
  const namespace = Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace
  const get = namespace.get
  return vi.spyOn(namespace, 'get').mockImplementation(function (this: DurableObjectNamespace, ...args) {
    const stub = get.apply(this, args)
    return new Proxy(stub, {
      get(target, name) {
        const day = target as unknown as RemoteDay
        const perform = async (...sent: Parameters<RemoteDay['perform']>) =>
          (types.includes(sent[1].type)
            ? meddle(sent[1], () => day.perform(...sent))
            : day.perform(...sent)) as Promise<Answer<unknown>>
        if (name === 'perform') return perform
        if (name === 'declareAbsence' && types.includes('declare_absence'))
          return (...sent: Parameters<RemoteDay['declareAbsence']>) =>
            meddle(sent[1] as Command, () => day.declareAbsence(...sent))
        // A call of several steps is meddled with step by step: what meets one of them meets the whole call.
        return name === 'performEach'
          ? (steps: Step[]) => inTurn(steps, ({ operation, command }) => perform(operation, command))
          : Reflect.get(target, name)
      },
    })
  })
}

async function inTurn<One, Result>(all: One[], call: (one: One) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (const one of all) results.push(await call(one))
  return results
}

/**
 * The object dies where it stands, with all that was under way in it; what it had committed stays. Throws
 * where it reaches no object. A stub that has killed one reaches none ever again: each kill takes a fresh one.
 */
export async function abort(stub: DurableObjectStub<undefined>): Promise<void> {
  let isReached = false
  const failure = await runInDurableObject(stub, (_, state) => {
    isReached = true
    state.abort('A test pulled the plug')
  }).catch((error: unknown) => error)
  if (!isReached) throw failure
}

/**
 * Time passes for what an object waits for. Within the object: what one waits for and another ends may hang. The
 * stub has to be one from before `betweenDays`.
 */
export const passTime = (stub: DurableObjectStub<undefined>, ms: number): Promise<void> =>
  runInDurableObject(stub, () => {
    vi.advanceTimersByTime(ms)
  })

/** No transaction of the object's storage begins while `isFailing` says so. */
export const failStorage = (stub: DurableObjectStub<undefined>, isFailing: () => boolean): Promise<void> =>
  runInDurableObject(stub, (_, { storage }) => {
    const transact = storage.transactionSync.bind(storage)
    vi.spyOn(storage, 'transactionSync').mockImplementation((work) => {
      if (isFailing()) throw new Error('The disk is gone')
      return transact(work)
    })
  })

/** D1 fails where `isLost` says so: half of the time before it has committed, half of the time after. */
export function loseD1(isLost: () => boolean): { lost(): number } {
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const batch = database.batch
  let lost = 0
  vi.spyOn(database, 'batch').mockImplementation(async function (
    this: D1Database,
    statements: D1PreparedStatement[],
  ) {
    if (!isLost()) return (await batch.call(this, statements)) as never
    lost += 1
    if (lost % 2 === 0) await batch.call(this, statements)
    throw new Error('D1_ERROR: Network connection lost.')
  })
  return { lost: () => lost }
}

/** What happens around each batch that brings the copy up to date. */
export function aroundCopying(around: (copy: () => Promise<never>) => Promise<never>) {
  const prototype = Object.getPrototypeOf(env.DB) as D1Database
  const batch = prototype.batch
  return vi.spyOn(prototype, 'batch').mockImplementation(function (this: D1Database, statements) {
    const copies = statements.some((one) =>
      /^\s*insert into days/i.test((one as { statement?: string }).statement ?? ''),
    )
    const run = () => batch.call(this, statements) as Promise<never>
    return copies ? around(run) : run()
  })
}

/** Whether D1 fails before it has committed, or commits and loses the answer, or hangs as for a dead caller. */
export type D1Fate = 'before' | 'after' | 'never' | null

/** D1 as one consumer sees it. `fate` gets the text of each statement, or of all statements of a batch. */
export function fatedD1(fate: (statements: string) => D1Fate): D1Database {
  const real = new WeakMap<object, { statement: D1PreparedStatement; text: string }>()
  const run = async <Result>(text: string, call: () => Promise<Result>): Promise<Result> => {
    const met = fate(text)
    if (met === 'never') return new Promise(() => {})
    const result = met === 'before' ? null : await call()
    if (met === null) return result as Result
    throw new Error('D1_ERROR: Network connection lost.')
  }
  const wrap = (statement: D1PreparedStatement, text: string): object => {
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values), text),
      run: () => run(text, () => statement.run()),
      all: () => run(text, () => statement.all()),
      raw: () => run(text, () => statement.raw()),
    }
    real.set(wrapped, { statement, text })
    return wrapped
  }
  const batch = (wrapped: object[]) => {
    const inner = wrapped.flatMap((one) => real.get(one) ?? [])
    const text = inner.map((one) => one.text).join(';\n')
    return run(text, () => env.DB.batch(inner.map(({ statement }) => statement)))
  }
  return { prepare: (text: string) => wrap(env.DB.prepare(text), text), batch } as unknown as D1Database
}
