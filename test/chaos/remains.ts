import { createHash } from 'node:crypto'
import { slotOf } from '../support/slots.ts'
import { outcomeOf } from './history.ts'
import { AT_LAST } from './registers.ts'
import type { Stored, StoredKey } from './stored.ts'
import type { Known, Truth } from './truth.ts'
import type { Writes } from './writes.ts'

/** Fields of a session that are not its application's. */
const RESERVED =
  /^(?:_.*|created_at|last_accessed_at|session_ttl|deadline|user_id|roles|authenticated_at|device|device_id|ip|request_count)$/
const SESSION = /^\{(\w\w)\}:([\w-]{22})$/

type Hash = StoredKey & {
  readonly hash: Readonly<Record<string, string>>
  readonly id: string
  readonly suffix: string
}

/** What is wrong with what is in Redis when all is over. */
export class Remains {
  readonly #stored: Stored
  readonly #truth: Truth
  readonly #writes: Writes
  readonly #drift: number
  /** By the last 22 characters of the id. */
  readonly #hashes = new Map<string, Hash>()

  /** @param drift how many ms later than it should a key may expire */
  constructor(stored: Stored, truth: Truth, writes: Writes, drift: number) {
    this.#drift = drift
    this.#stored = stored
    this.#truth = truth
    this.#writes = writes
    for (const one of stored.keys) {
      const [, tag, suffix = ''] = SESSION.exec(one.key) ?? []
      if (one.hash) this.#hashes.set(suffix, { ...one, hash: one.hash, id: `${tag}${suffix}`, suffix })
    }
  }

  wrong(): string[] {
    const immortal = this.#stored.keys.filter(({ expires }) => expires < 0).map(({ key }) => `${key} has no TTL`)
    return [...immortal, ...this.#sessions(), ...this.#expiries(), ...this.#indexes()]
  }

  /** The living sessions are those that must be, and may be, each with what it must hold. */
  #sessions(): string[] {
    const wrong: string[] = []
    const living = new Map<string, Hash>()
    for (const hash of this.#living()) {
      const label = hash.hash.label ?? ''
      if (living.has(label)) wrong.push(`there are two sessions ${label}`)
      living.set(label, hash)
      if (!this.#truth.sessions.has(label)) wrong.push(`nobody began the session ${label}`)
    }
    for (const known of this.#truth.sessions.values()) {
      const hash = living.get(known.label)
      const isRefused = outcomeOf(known.begun) === 'refused'
      if (hash !== undefined && isRefused)
        wrong.push(`the session ${known.label} is there, whose beginning was refused`)
      if (hash !== undefined && this.#truth.hasEnded(known, AT_LAST.begin))
        wrong.push(
          `the session ${known.label} has come back, after ${known.ends.map(({ op, begin, end }) => `${op} in ${Math.round(end - begin)} ms`)}`,
        )
      if (hash !== undefined) wrong.push(...this.#content(hash, known))
      const mustBe = this.#truth.hasBegun(known, AT_LAST.begin) && !this.#truth.mayHaveEnded(known, AT_LAST.end)
      if (mustBe && hash === undefined) wrong.push(`the session ${known.label} is gone`)
      if (mustBe && hash !== undefined) wrong.push(...this.#place(hash, known))
    }
    return wrong
  }

  #living(): Hash[] {
    return [...this.#hashes.values()].filter(
      ({ hash }) => hash.created_at !== undefined && hash._successor === undefined,
    )
  }

  #content({ hash }: Hash, known: Known): string[] {
    const wrong = [
      hash.user_id === (known.user ?? undefined) ? '' : `the session ${known.label} is ${hash.user_id}'s`,
      hash.device === (known.user === null ? undefined : known.label)
        ? ''
        : `the session ${known.label} is on ${hash.device}`,
      this.#writes.wrongRoles(known, JSON.parse(hash.roles ?? '[]'), AT_LAST) ?? '',
    ]
    // Where nobody knows whether a login was carried out, the session before may have gone on.
    if (outcomeOf(known.begun) === 'done') {
      const data = Object.entries(hash).filter(([field]) => !RESERVED.test(field))
      const decoded = data.map(([field, text]) => [field, field === 'list' ? JSON.parse(text) : text])
      wrong.push(...this.#writes.wrongData(known, Object.fromEntries(decoded), AT_LAST))
    }
    return wrong.filter((what) => what !== '')
  }

  /** A session is where the last of its tokens leads, in the slot of its partition. */
  #place({ id, suffix }: Hash, { label, tokens, user }: Known): string[] {
    const token = tokens.at(-1) ?? ''
    let at = createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url')
    for (let hash = this.#hashes.get(at); hash?.hash._successor !== undefined; hash = this.#hashes.get(at)) {
      at = hash.hash._successor.slice(2)
    }
    const partition = Buffer.from(token, 'base64url')[0] ?? 0
    const byUser = user === null ? partition : createHash('sha256').update(user).digest()[0]
    return [
      ...(at === suffix ? [] : [`the token of ${label} does not lead to it`]),
      ...(Math.floor(slotOf(id.slice(0, 2)) / 64) === partition
        ? []
        : [`the session ${label} is not in its partition`]),
      ...(byUser === partition ? [] : [`the session ${label} is not where its user's are`]),
    ]
  }

  /** A session expires when its fields say so. */
  #expiries(): string[] {
    return this.#living().flatMap((each) => {
      const late = each.expires - expiryOf(each)
      return late >= 0 && late <= this.#drift ? [] : [`the session ${each.hash.label} expires ${late} ms late`]
    })
  }

  /** Every index says of the living sessions just what their hashes say. */
  #indexes(): string[] {
    const expected = new Map<string, Map<string, number>>()
    const enter = (key: string, member: string, score: number) => {
      const entries = expected.get(key) ?? new Map<string, number>()
      expected.set(key, entries.set(member, Math.max(score, entries.get(member) ?? 0)))
    }
    for (const each of this.#living()) {
      const { id, hash } = each
      const expires = expiryOf(each)
      const key = (name: string) => `{${id.slice(0, 2)}}:${name}`
      enter(key(hash.user_id === undefined ? 'guests' : 'members'), id, expires)
      enter(key('seen'), id, Number(hash.last_accessed_at))
      if (hash.user_id === undefined) continue
      enter(key(`user:${hash.user_id}`), id, expires)
      enter(key('users'), hash.user_id, expires)
    }
    const actual = new Map(this.#stored.keys.flatMap(({ key, entries }) => (entries ? [[key, entries] as const] : [])))
    return [...new Set([...expected.keys(), ...actual.keys()])].flatMap((key) =>
      this.#difference(key, expected.get(key), actual.get(key)),
    )
  }

  #difference(key: string, expected: Map<string, number> = new Map(), actual: ReadonlyMap<string, number> = new Map()) {
    const missing = [...expected].filter(([member, score]) => actual.get(member) !== score)
    // What has expired may stay until the next write; `seen` is not by expiry.
    const isOver = (score: number) => !key.endsWith(':seen') && score <= this.#stored.now
    const foreign = [...actual].filter(([member, score]) => !expected.has(member) && !isOver(score))
    return [
      ...missing.map(([member, score]) => `the index ${key} has ${member} at ${actual.get(member)}, not ${score}`),
      ...foreign.map(([member]) => `the index ${key} has ${member}, which is not there`),
    ]
  }
}

function expiryOf({ hash }: Hash): number {
  const { last_accessed_at, session_ttl, deadline } = hash
  return Math.min(Number(last_accessed_at) + Number(session_ttl) * 1000, Number(deadline))
}
