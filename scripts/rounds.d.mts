export const isFull: boolean
export const ALL_ROUNDS: Record<string, string>
export function rounds(few: number, all: number): number
