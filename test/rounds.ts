import { inject } from 'vitest'

/** How many rounds a long loop makes: a few for each change, all of them with `npm run check -- --full`. */
export const rounds = (few: number, all: number): number => (inject('isFull') ? all : few)
