import { longUserId, type Population, shortUserId, TYPICAL } from '../../support/population.ts'

/** One population whose memory is measured. */
export interface Case {
  readonly name: string
  readonly what: string
  readonly population: Population
  /** More arguments for the server. */
  readonly args: readonly string[]
  /** Whether the same is put into connect-redis, too. */
  readonly compared: boolean
  /** Its share of the sessions of a run: a power of two, so that every hash table is as full as with all of them. */
  readonly share: 1 | 0.25
}

/** A User-Agent as a browser sends it: 111 bytes. */
const USER_AGENT =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36'
const LONG_VALUE: Population = { ...TYPICAL, data: { ...TYPICAL.data, username: USER_AGENT } }

export const CASES: readonly Case[] = [
  {
    name: 'short3',
    what: 'user ids of 12 bytes, 3 sessions a user',
    population: TYPICAL,
    args: [],
    compared: true,
    share: 1,
  },
  {
    name: 'short1',
    what: 'user ids of 12 bytes, 1 session a user',
    population: { ...TYPICAL, sessionsPerUser: 1 },
    args: [],
    compared: false,
    share: 0.25,
  },
  {
    name: 'long3',
    what: 'user ids that are UUIDs, 3 sessions a user',
    population: { ...TYPICAL, userId: longUserId },
    args: [],
    compared: true,
    share: 0.25,
  },
  {
    name: 'long1',
    what: 'user ids that are UUIDs, 1 session a user',
    population: { ...TYPICAL, userId: longUserId, sessionsPerUser: 1 },
    args: [],
    compared: false,
    share: 0.25,
  },
  {
    name: 'value',
    what: `one value of ${USER_AGENT.length} bytes, 3 sessions a user`,
    population: { ...LONG_VALUE, userId: shortUserId },
    args: [],
    compared: true,
    share: 0.25,
  },
  {
    name: 'raised',
    what: 'the same, with `hash-max-listpack-value 128`',
    population: LONG_VALUE,
    args: ['--hash-max-listpack-value', '128'],
    compared: false,
    share: 0.25,
  },
]
