import { figure, table } from '../numbers.ts'
import type { Requirement, Suite } from '../suite.ts'
import { CASES, type Case } from './memory/cases.ts'
import { connectRedisBytes, type Parts, partsOf, sinceBytes } from './memory/measure.ts'

/** Bytes a session. */
interface MemoryResult {
  readonly sessions: number
  readonly cases: readonly {
    readonly name: string
    readonly sessions: number
    readonly parts: Parts
    readonly connectRedis: number | null
  }[]
  readonly since: number
}

type Measured = MemoryResult['cases'][number]

const SESSIONS = { quick: 20_000, full: 1_000_000 } as const

const memory: Suite<MemoryResult> = {
  name: 'memory',

  async run(size, say) {
    const sessions = SESSIONS[size]
    const measure = async (one: Case): Promise<Measured> => {
      const count = sessions * one.share
      const parts = await partsOf(one, count)
      const connectRedis = one.compared ? await connectRedisBytes(one, count) : null
      say(`${count} sessions: ${one.what}: ${Math.round(withAll(parts))} B a session`)
      return { name: one.name, sessions: count, parts, connectRedis }
    }
    // Bytes are the same on a busy machine, so two at a time: the one with all the sessions, and beside it the others.
    const [first, ...others] = CASES as [Case, ...Case[]]
    const rest = async () => {
      const measured: Measured[] = []
      for (const one of others) measured.push(await measure(one))
      return measured
    }
    const [all, some] = await Promise.all([measure(first), rest()])
    return { sessions, cases: [all, ...some], since: await sinceBytes(sessions * 0.25) }
  },

  report(result) {
    const whatOf = ({ name, sessions }: Measured) =>
      `${CASES.find((one) => one.name === name)?.what} (${sessions.toLocaleString('en-GB')})`
    const bytes = (n: number) => String(Math.round(n))
    const rows = result.cases.map((one) => {
      const { hash, user, classes, users, seen } = one.parts
      const sums = [withoutMonitoring(one.parts), withAll(one.parts), one.connectRedis]
      return [
        whatOf(one),
        ...[hash, user, classes, seen, users].map(bytes),
        ...sums.map((n) => (n === null ? '' : bytes(n))),
      ]
    })
    const head = ['bytes a session', 'hash', 'user', 'guests or members', 'seen', 'users']
    const markdown = `## Memory

What \`used_memory\` of a fresh server grows by, for each session: filled with sessions of a user, one role, a device and two short
fields by \`sessions.create()\`, 512 at once, then deleted part by part. In brackets, how many sessions: a quarter has every hash
table as full as the whole. The hash's part has its key, its TTL and its share of Redis's own tables in it. connect-redis holds
one string of JSON with the same user id, roles, device and fields, in sessions of express-session with a cookie of four hours,
and has no index: it can neither list a user's sessions nor end them.

${table([...head, 'sum, monitoring off', 'sum, monitoring on', 'connect-redis'], rows)}

After a log-out-everywhere, \`since\` takes ${bytes(result.since)} B a user, for ten minutes.
`
    return { markdown, charts: {}, requirements: requirements(result) }
  },
}

export default memory

function requirements({ cases }: MemoryResult): Requirement[] {
  const parts = cases.find(({ name }) => name === 'short3')?.parts
  if (parts === undefined) return []
  const atMost = (what: string, most: number, bytes: number): Requirement => ({
    what,
    must: `at most ${most} B`,
    reached: `${figure(bytes)} B`,
    met: bytes <= most,
  })
  return [
    atMost('Memory: the hash of a session', 410, parts.hash),
    atMost('Memory: with its indexes, 3 sessions a user, monitoring off', 720, withoutMonitoring(parts)),
    atMost('Memory: the same, monitoring on', 900, withAll(parts)),
  ]
}

function withoutMonitoring({ hash, user, classes }: Parts): number {
  return hash + user + classes
}

function withAll(parts: Parts): number {
  return withoutMonitoring(parts) + parts.seen + parts.users
}
