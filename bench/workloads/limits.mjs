import { CLINIC, PAGE_CLINIC, PAGE_ROWS } from '../seed.mjs'
import { isPage, isStored, medicalTest } from './records.mjs'

const storing = async (site) => (number) => site.post('/', medicalTest(number, CLINIC))

/** One row for each booking, in the object of its doctor and date. */
const bookingInTurn = async (site, amount) => {
  const at = site.takeTurns(amount)
  return (number) => {
    const { doctor, date } = at(number)
    return site.post('/', { ...medicalTest(number, CLINIC), day: `${doctor} ${date}` })
  }
}

/** The most that a machine can do: no Worker is faster than these. `config`: a folder with its own config. */
export const LIMITS = [
  {
    name: 'bare',
    title: 'Bare Worker',
    expected: 200,
    prepare: async (site) => () => site.get('/'),
  },
  {
    name: 'one-insert',
    title: 'Bare Worker, one D1 insert',
    expected: 201,
    isRight: isStored,
    prepare: storing,
  },
  {
    name: 'one-object',
    title: 'Bare Worker, one row in one object',
    config: 'one-object',
    expected: 201,
    isRight: isStored,
    prepare: storing,
  },
  {
    name: 'object-per-day',
    title: 'Bare Worker, one row in an object per day',
    worker: 'one-object',
    config: 'one-object',
    expected: 201,
    isRight: isStored,
    prepare: bookingInTurn,
  },
  {
    name: 'one-list',
    title: `Bare Worker, ${PAGE_ROWS} rows from D1`,
    expected: 200,
    isRight: isPage,
    prepare: async (site) => () => site.get(`/?clinic_id=${PAGE_CLINIC}`),
  },
]
