import type { Answer, Command, MoveWanted, Operation, ReplyTo } from '../../../src/doctor-day/commands'
import type { AbsenceWanted, Relief, Step } from '../../../src/doctor-day/moving/requests'
import type { Appointment, Opening } from '../../../src/doctor-day/state/day'
import type { Recorded } from '../../../src/doctor-day/state/event'
import { append } from '../../../src/doctor-day/storage/log'
import { createTables } from '../../../src/doctor-day/storage/tables'
import {
  ClinicDay as RealClinicDay,
  DoctorDay as RealDay,
  BulkJob as RealJob,
  LeaveJob as RealLeaveJob,
  Recorder as RealRecorder,
} from '../../../src/index'
import { newId } from '../../../src/lib/crypto'
import { MEDICAL_TEST } from '../../../src/medical-tests/actions'
import type { Entry } from '../../../src/recorder/kind'
import type { Outcome } from '../../../src/recorder/lot'
import { unreliableEnv } from './bindings'
import { chance, injects } from './fate'

const [BEFORE, DURING, AFTER] = [0.002, 0.003, 0.004]
const DURING_MS_MAX = 40
const LOST = 'Network connection lost.'
export const STARTS_AGAIN = 'The older version starts again'

/**
 * Runs work of an object that may abort before it, during it, or after its writes but before its answer.
 * `times`: how much more often than others, where little is asked of the objects of a kind.
 */
async function mortal<T>(
  ctx: DurableObjectState,
  what: string,
  work: () => Promise<T>,
  times = 1,
): Promise<T> {
  if (injects(`${what} aborted before`, times * BEFORE)) ctx.abort(LOST)
  if (injects(`${what} aborted during`, times * DURING))
    setTimeout(() => ctx.abort(LOST), chance() * DURING_MS_MAX)
  const reply = await work()
  if (injects(`${what} aborted after`, times * AFTER)) {
    await ctx.storage.sync()
    ctx.abort(LOST)
  }
  return reply
}

export class DoctorDay extends RealDay {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, unreliableEnv(env))
  }

  override perform<C extends Command>(
    operation: Operation,
    command: C,
    via: string | null = null,
  ): Promise<Answer<ReplyTo<C>>> {
    return mortal(this.ctx, 'day', () => super.perform(operation, command, via))
  }

  override move(operation: Operation, wanted: MoveWanted, via: string | null = null) {
    return mortal<Answer<Appointment>>(this.ctx, 'move', () => super.move(operation, wanted, via))
  }

  override performEach(steps: Step[]) {
    return mortal(this.ctx, 'steps of moves', () => super.performEach(steps))
  }

  override declareAbsence(operation: Operation, wanted: AbsenceWanted) {
    return mortal<Answer<Relief>>(this.ctx, 'absence', () => super.declareAbsence(operation, wanted))
  }

  override alarm(): Promise<void> {
    return mortal(this.ctx, 'alarm of a day', () => super.alarm())
  }

  /** Stores what a newer version of the service might: a day whose first slot is taken by an event of its own. */
  async becomeNewer(opening: Opening): Promise<void> {
    const { sql } = this.ctx.storage
    const taken = { type: 'booked', v: 3, slots: [1], appointmentId: 'newer', patientId: 'newer' }
    const events = [{ type: 'opened', ...opening }, taken].map((event, index) => ({
      ...event,
      ...{ seq: index + 1, at: Date.now(), actor: 'key_newer' },
    }))
    this.ctx.storage.transactionSync(() => {
      createTables(sql)
      append(sql, this.env.DOCTORDAY_SECRET, events as unknown as Recorded[], 0)
    })
    await this.ctx.storage.sync()
    this.ctx.abort(STARTS_AGAIN)
  }
}

export class ClinicDay extends RealClinicDay {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, unreliableEnv(env))
  }

  override hint(doctorId: string): Promise<void> {
    return mortal(this.ctx, 'clinic’s day', () => super.hint(doctorId))
  }

  override alarm(): Promise<void> {
    return mortal(this.ctx, 'alarm of a clinic’s day', () => super.alarm())
  }
}

export class BulkJob extends RealJob {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, unreliableEnv(env))
  }

  override watch(clinicId: string, uploadUntil: number, reopeningUntil?: number): Promise<void> {
    return mortal(this.ctx, 'job', () => super.watch(clinicId, uploadUntil, reopeningUntil))
  }

  override alarm(): Promise<void> {
    return mortal(this.ctx, 'alarm of a job', () => super.alarm())
  }
}

const LEAVES_DIE = 15

export class LeaveJob extends RealLeaveJob {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, unreliableEnv(env))
  }

  override watch(clinicId: string, isReady: boolean): Promise<void> {
    return mortal(this.ctx, 'leave', () => super.watch(clinicId, isReady), LEAVES_DIE)
  }

  override alarm(): Promise<void> {
    return mortal(this.ctx, 'alarm of a leave', () => super.alarm(), LEAVES_DIE)
  }
}

const POISONED = 0.03

export class Recorder extends RealRecorder {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, unreliableEnv(env))
  }

  /** Sometimes a record that D1 refuses gets into the same lot. */
  override record(entry: Entry): Promise<Outcome> {
    if (injects('poisoned record in a lot', POISONED)) void super.record(poisonedBeside(entry))
    return mortal(this.ctx, 'Recorder', () => super.record(entry))
  }
}

/** A medical test without an id, which its table does not take. */
function poisonedBeside({ clinicId }: Entry): Entry {
  const op = newId()
  const row = JSON.stringify([op, clinicId, 'key_poison', Date.now(), 'poison'])
  return { kind: MEDICAL_TEST.name, clinicId, op, isKeyed: false, row }
}
