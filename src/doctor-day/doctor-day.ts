import { DurableObject } from 'cloudflare:workers'
export class DoctorDay extends DurableObject<Env> {}
