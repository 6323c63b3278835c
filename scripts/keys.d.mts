export function newKey(secret: string): string
export function isOf(secret: string, key: string): boolean
export function partsOf(key: string): { id: string; secretHash: string; isSigned: boolean } | null
