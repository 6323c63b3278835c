import { DurableObject } from 'cloudflare:workers'
export class BulkJob extends DurableObject<Env> {}
