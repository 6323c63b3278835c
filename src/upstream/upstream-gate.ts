import { DurableObject } from 'cloudflare:workers'
import { type Gate, type Heard, NEW_GATE, type Permit, permit, report } from './gate-rules'

const PER_SECOND_USUAL = 10

/**
 * The one gate before an upstream, for all consumers and jobs: its rate, its breaker, its Retry-After. This
 * class only stores; gate-rules.ts decides. Storage is synchronous, so nobody comes between reading and
 * writing.
 */
export class UpstreamGate extends DurableObject<Env> {
  readonly #perSecond = Number(this.env.HOSPITAL_DIRECTORY_PER_SECOND) || PER_SECOND_USUAL

  async permit(): Promise<Permit> {
    const [gate, permitted] = permit(this.#gate, Date.now(), this.#perSecond)
    this.#gate = gate
    return permitted
  }

  async report(id: number, heard: Heard): Promise<void> {
    this.#gate = report(this.#gate, id, heard, Date.now())
  }

  get #gate(): Gate {
    return this.ctx.storage.kv.get<Gate>('gate') ?? NEW_GATE
  }

  set #gate(gate: Gate) {
    this.ctx.storage.kv.put('gate', gate)
  }
}
