import fc from 'fast-check'
import type { Beginning, Data, Login, Rules } from './operations.ts'
import { Refused } from './operations.ts'

// What commands are made of. Few different things, so that they meet.

const HOUR = 3_600_000

/**
 * All times are half hours, for two reasons: what was to happen after an hour happens when an hour has been travelled; and
 * the milliseconds that a run itself takes never decide anything.
 */
export const anyInterval = hours(0.5, 0.5, 0.5, 1, 1, 2, 3, 5)

/** The first two share a partition, where all guests are put as well. */
export const USERS = ['user 16', 'user 17', 'user 18'] as const

export const anyRules: fc.Arbitrary<Rules> = fc.record(
  {
    idleTimeout: hours(1, 2, 4, 8),
    lifetime: hours(8, 12, 24),
    touchInterval: hours(0, 0.5, 1, 2),
    rotationGrace: hours(0, 1, 3),
    reuseWindow: hours(0, 2),
    rotateEvery: hours(1, 2, 3),
    revokeOnReuse: fc.boolean(),
    monitoring: fc.constantFrom(true, true, true, false),
    maxPerUser: fc.record({
      limit: fc.constantFrom(2, 2, 3, 1),
      whenFull: fc.constantFrom('evict-oldest', 'evict-oldest', 'refuse'),
    }),
  },
  {
    requiredKeys: [
      ...(['idleTimeout', 'lifetime', 'rotationGrace', 'reuseWindow'] as const),
      ...(['revokeOnReuse', 'monitoring', 'maxPerUser'] as const),
    ],
  },
)

export const anyUser = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(USERS[0], USERS[0], ...USERS) },
  { weight: 1, arbitrary: fc.constant('') },
)

export const anyRoles = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<string[]>(['admin'], ['a', 'b'], ['a', 'a'], []) },
  { weight: 1, arbitrary: fc.constantFrom<string[]>([''], 'admin' as never) },
)

export const anyDeviceId = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('phone', 'phone', 'laptop') },
  { weight: 1, arbitrary: fc.constant('') },
)

const anyDetails = { roles: anyRoles, device: fc.constantFrom('my phone', 'Chrome on macOS'), deviceId: anyDeviceId }

export const anyLogin: fc.Arbitrary<Login> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        ...anyDetails,
        data: fc.constantFrom('keep', 'drop'),
        remember: fc.record({ idleTimeout: hours(2, 6, 12), lifetime: hours(6, 12, 48) }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    ),
  },
)

export const anyBeginning: fc.Arbitrary<Beginning> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ userId: fc.constantFrom(USERS[0], USERS[0], ...USERS) }) },
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 6,
    arbitrary: fc.record(
      { userId: fc.constantFrom(...USERS), ...anyDetails, idleTimeout: hours(0.5, 1, 3), lifetime: hours(3, 6, 24) },
      { requiredKeys: [] },
    ),
  },
  // What is refused.
  {
    weight: 1,
    arbitrary: fc.constantFrom<Beginning>(
      { userId: '' },
      { idleTimeout: 0 },
      { lifetime: 0, userId: USERS[0] },
      { idleTimeout: 2 * HOUR, lifetime: HOUR },
    ),
  },
)

const NAMES = ['n', 'list', 'text', 'constructor', 'é 1']
const NO_NAMES = ['', '_x', '__proto__', 'deadline', 'user_id']

export const anyField = fc.oneof(
  { weight: 24, arbitrary: fc.constantFrom('n', 'n', ...NAMES) },
  { weight: 1, arbitrary: fc.constantFrom(...NO_NAMES) },
)

/** What is counted in, mostly. */
export const anyCounter = fc.oneof({ weight: 5, arbitrary: fc.constant('n') }, anyField)

const NUMBERS = [0, 5, -3, 1.5, 2 ** 53 - 1, 1 - 2 ** 53, 2 ** 53 + 2, 2 ** 53 + 2, 1e21]
const STRINGS = ['', 'some text', '5', '007', 'true', '"', '\ud800', 'a\u0000b']
const OTHERS = [null, true, [], [1, 'a'], { a: { b: [null] } }]
const NO_VALUES = [undefined, undefined, Number.NaN, [undefined], () => undefined, 1n]

export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 6, arbitrary: fc.constantFrom(...STRINGS, ...OTHERS) },
  { weight: 1, arbitrary: fc.constantFrom(...NO_VALUES) },
)

export const anyData: fc.Arbitrary<Data> = fc
  .array(fc.tuple(anyField, anyValue), { maxLength: 3 })
  .map((entries) => Object.fromEntries(entries))

/** Changes that look at what there is. */
export const CHANGES: ((current: unknown) => unknown)[] = [
  function append(current) {
    return Array.isArray(current) ? [...current, current.length] : [current ?? null]
  },
  function same(current) {
    return current
  },
  function remove() {
    return undefined
  },
  function fail() {
    throw new Refused('ERR_OF_MINE')
  },
]

/** What no token and no id ever was; one of each could be. */
export const NOBODY = [
  'A'.repeat(43),
  `pD${'A'.repeat(22)}`,
  '',
  'x',
  `${'A'.repeat(42)}B`,
  'A'.repeat(44),
  `zz${'A'.repeat(22)}`,
  `pD${'A'.repeat(21)}B`,
]

function hours(...some: number[]): fc.Arbitrary<number> {
  return fc.constantFrom(...some.map((one) => one * HOUR))
}
