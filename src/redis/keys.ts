import { ConfigError } from '../core/errors.ts'
import type { SessionRef } from '../core/store.ts'
import { tagOf } from '../core/token.ts'

/**
 * Every key that coatcheck uses. `{tag}` is a session's partition: the braces keep a session and its indexes in one slot of
 * a cluster, so that one script can change them together.
 *
 * | key | type | holds |
 * |---|---|---|
 * | `session:{tag}:<22 characters>` | hash | one session |
 * | `session:{tag}:user:<user id>` | sorted set | the user's session ids, by expiry |
 * | `session:{tag}:guests`, `session:{tag}:members` | sorted sets | the partition's session ids without and with a user, by expiry |
 * | `session:{tag}:users` | sorted set | users, by their latest expiry (monitoring) |
 * | `session:{tag}:seen` | sorted set | session ids, by last access (monitoring) |
 * | `session:{tag}:since:<user id>` | string | when the user was last logged out everywhere (epoch milliseconds), for 10 minutes; with no user id, when everyone was |
 * | `session:{tag}:wait` | string | nothing: written so that replicas can be waited for (`waitForReplicas`), for a minute; one for each master |
 *
 * `session:events` is no key but the channel on which processes tell each other what has become of sessions.
 */
export class Keys {
  readonly prefix: string

  /** @throws ConfigError */
  constructor(prefix: string) {
    if (typeof prefix !== 'string' || prefix.includes('{') || prefix.includes('}')) {
      throw new ConfigError("prefix must not hold '{' or '}': Redis Cluster would hash the wrong part of the key.")
    }
    this.prefix = prefix
  }

  /** The hash of a session. */
  session(id: string): string {
    return `${this.prefix}{${tagOf(id)}}:${id.slice(2)}`
  }

  guests(tag: string): string {
    return `${this.prefix}{${tag}}:guests`
  }

  members(tag: string): string {
    return `${this.prefix}{${tag}}:members`
  }

  seen(tag: string): string {
    return `${this.prefix}{${tag}}:seen`
  }

  user(tag: string, userId: string): string {
    return `${this.prefix}{${tag}}:user:${userId}`
  }

  users(tag: string): string {
    return `${this.prefix}{${tag}}:users`
  }

  /** With an empty user id: when everyone was logged out. */
  since(tag: string, userId: string): string {
    return `${this.prefix}{${tag}}:since:${userId}`
  }

  /** In the slot of another key. */
  wait(beside: string): string {
    return `${beside.slice(0, beside.indexOf('}') + 1)}:wait`
  }

  get channel(): string {
    return `${this.prefix}events`
  }

  /** The index keys of a session, in the order that the scripts expect. */
  indexes({ id, userId }: SessionRef): string[] {
    const tag = tagOf(id)
    return userId === null
      ? [this.guests(tag), this.members(tag), this.seen(tag)]
      : [this.members(tag), this.guests(tag), this.seen(tag), this.user(tag, userId), this.users(tag)]
  }
}
