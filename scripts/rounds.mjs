// How many rounds the long loops of the tests make: a few for each change, all of them with `npm run check --
// --full`. docs/testing.md lists them.

const VARIABLE = 'DOCTORDAY_FULL'

/** What a command's environment gets for all rounds. */
export const ALL_ROUNDS = { [VARIABLE]: '1' }

export const isFull = process.env[VARIABLE] === '1'

export const rounds = (few, all) => (isFull ? all : few)
