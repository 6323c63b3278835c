import { v7 } from 'uuid'

/** A UUIDv7: ids made later sort later, so new rows land at the end of their index. */
export const newId = (): string => v7()
