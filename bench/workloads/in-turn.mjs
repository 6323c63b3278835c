import { randomUUID } from 'node:crypto'
import { isBooked } from './desk.mjs'

const inTurn = (fieldsOf) => async (site, amount) => site.bookingsInTurn(amount, fieldsOf)

/** Bookings as a busy region makes them: many doctors in turn, each of them many days (turns.mjs). */
export const IN_TURN = [
  {
    name: 'book-in-turn',
    title: 'Book on many days, without a key',
    expected: 201,
    isRight: isBooked,
    wakes: true,
    isLoadOnly: true,
    isForMany: true,
    prepare: inTurn(),
  },
  {
    name: 'book-in-turn-keyed',
    title: 'Book on many days, key in the body',
    expected: 201,
    isRight: isBooked,
    wakes: true,
    isLoadOnly: true,
    isForMany: true,
    prepare: inTurn(() => ({ idempotency_key: randomUUID() })),
  },
]
