import type { Changes, NewSession, Note, Pointer, Rotation, SessionRef, TouchRule } from '../core/store.ts'
import { tagOf, tagOfUser } from '../core/token.ts'
import type { Keys } from './keys.ts'
import { type ScriptName, scripts } from './scripts.ts'

/** For how long, in milliseconds, a log-out-everywhere is remembered: no login takes longer than this. */
export const LOGIN_LASTS: number = 10 * 60 * 1000

/** A script call before it is sent. */
export interface ScriptCall {
  readonly name: ScriptName
  readonly keys: readonly string[]
  readonly args: readonly string[]
  /** Answers that say that a login has begun or ended, which replicas have to know (`waitForReplicas`). */
  readonly awaited?: readonly string[]
}

const DONE = ['ok']
/** Who asks again after an error, and hears that it has ended, relies on that as well. */
const DONE_OR_ENDED = ['ok', 'ended']

/**
 * The exact commands of every operation. Pure, so that they can be shown, logged and tested without a server.
 *
 * | operation | command |
 * |---|---|
 * | load | `HGETALL session` |
 * | touch, write, commit, update, create, rotate, seal, release, destroy | `EVALSHA` of the script of that name (`lua/`) |
 * | timeToLive | `HGETALL session`, then `PTTL session` |
 * | a user's sessions: list | `ZRANGE user`, then `HMGET` of each |
 * | refuse logins under way, before everyone is logged out | `EVALSHA` of `revoke_logins` in each partition |
 * | a user's sessions: revoke, roles | `ZRANGE user`, then `EVALSHA` of `revoke_user` or `roles_user` |
 */
export class Commands {
  readonly keys: Keys
  readonly #monitoring: string

  constructor(keys: Keys, monitoring: boolean) {
    this.keys = keys
    this.#monitoring = monitoring ? '1' : '0'
  }

  load(id: string): string[] {
    return ['HGETALL', this.keys.session(id)]
  }

  /** Reads the successor of a rotated session. */
  follow(id: string, successor: string, reuse: Note | null): ScriptCall {
    const keys = [this.keys.session(id), this.keys.session(successor)]
    return { name: 'follow', keys, args: ['', '', successor, ...(reuse ? this.#told(reuse) : ['', ''])] }
  }

  touch(ref: SessionRef, every: number, requests: number): ScriptCall {
    return this.#onSession('touch', ref, [String(every), String(requests)])
  }

  write(id: string, set: ReadonlyMap<string, string>): ScriptCall {
    const args: string[] = []
    for (const [field, text] of set) args.push(field, text)
    return { name: 'write', keys: [this.keys.session(id)], args }
  }

  commit(ref: SessionRef, changes: Changes, touch: TouchRule): ScriptCall {
    const args = [changes.idleTimeout === null ? '' : seconds(changes.idleTimeout), changes.replace ? '1' : '']
    args.push(
      String(changes.requests),
      ...dueBy(touch),
      ...counted(changes.set),
      String(changes.remove.length),
      ...changes.remove,
    )
    args.push(...counted(changes.increments))
    return this.#onSession('commit', ref, args)
  }

  update(ref: SessionRef, field: string, expected: string | null, next: string | null, touch: TouchRule): ScriptCall {
    return this.#onSession('update', ref, [field, ...optional(expected), ...optional(next), ...dueBy(touch)])
  }

  /**
   * @param begun when the login began, by the server's clock
   * @param others ids of the user's sessions, some of which may have to end
   */
  create(session: NewSession, begun: number | null, others: readonly string[]): ScriptCall {
    const { idleTimeout, lifetime, fields, maxPerUser, userId, note } = session
    const args = [seconds(idleTimeout), String(lifetime), String(maxPerUser.limit)]
    args.push(maxPerUser.whenFull === 'refuse' ? '1' : '', begun === null ? '' : String(begun))
    args.push(fields.get('device_id') ?? '', session.takesOver ?? '', String(others.length), ...others)
    for (const [field, text] of fields) args.push(field, text)
    const call = this.#onSession('create', session, [...args, ...this.#told(note)])
    if (userId === null) return call
    const tag = tagOf(session.id)
    const since = [this.keys.since(tag, userId), this.keys.since(tag, '')]
    const hashes = others.map((id) => this.keys.session(id))
    return { ...call, keys: [...call.keys, ...since, ...hashes], awaited: DONE }
  }

  rotate(ref: SessionRef, to: string, { grace, reuseWindow, renew, set, remove, note }: Rotation): ScriptCall {
    const args = [to, String(grace), String(reuseWindow)]
    args.push(...(renew === null ? ['', ''] : [String(renew.lifetime), seconds(renew.idleTimeout)]))
    args.push(...counted(set), String(remove.length), ...remove)
    const call = this.#onSession('rotate', ref, [...args, ...this.#told(note)])
    const [own, ...indexes] = call.keys as [string, ...string[]]
    const keys = [own, this.keys.session(to), ...indexes]
    return grace === 0 ? { ...call, keys, awaited: DONE } : { ...call, keys }
  }

  seal(ref: SessionRef, by: string, ms: number): ScriptCall {
    const args = [ref.userId ?? '', this.#monitoring, ref.id, by, String(ms)]
    return { name: 'seal', keys: [this.keys.session(ref.id)], args }
  }

  release(ref: SessionRef, by: string, pointer: Pointer | null, note: Note): ScriptCall {
    const left = pointer === null ? ['', '', ''] : [pointer.successor, String(pointer.ms), String(pointer.remember)]
    return { ...this.#onSession('release', ref, [by, ...left, ...this.#told(note)]), awaited: DONE_OR_ENDED }
  }

  destroy(ref: SessionRef, note: Note, remember = 0): ScriptCall {
    return { ...this.#onSession('destroy', ref, [String(remember), ...this.#told(note)]), awaited: DONE_OR_ENDED }
  }

  /** @param all whether `ids` are all that the user has */
  revokeUser(userId: string, keep: string | null, ids: readonly string[], all: boolean, note: Note): ScriptCall {
    const args = [keep ?? '', all ? '1' : '', String(LOGIN_LASTS), String(ids.length), ...ids]
    const tag = tagOfUser(userId)
    return this.#onUser('revoke_user', userId, [this.keys.since(tag, userId)], ids, [...args, ...this.#told(note)])
  }

  /** In one partition. */
  revokeLogins(tag: string): ScriptCall {
    const keys = [this.keys.since(tag, '')]
    return { name: 'revoke_logins', keys, args: ['', '', String(LOGIN_LASTS)], awaited: DONE }
  }

  setUserRoles(userId: string, roles: string | null, ids: readonly string[], all: boolean, note: Note): ScriptCall {
    const args = [all ? '1' : '', roles ?? '', String(ids.length), ...ids]
    return this.#onUser('roles_user', userId, [], ids, [...args, ...this.#told(note)])
  }

  timeToLive(id: string): string[] {
    return ['PTTL', this.keys.session(id)]
  }

  #onUser(
    name: ScriptName,
    userId: string,
    more: readonly string[],
    ids: readonly string[],
    args: readonly string[],
  ): ScriptCall {
    return {
      name,
      keys: [
        ...this.keys.indexes({ id: tagOfUser(userId), userId }),
        ...more,
        ...ids.map((id) => this.keys.session(id)),
      ],
      args: [userId, this.#monitoring, ...args],
      awaited: DONE,
    }
  }

  /** What scripts that begin or end sessions take at the end: the channel, and what is told there. */
  #told(note: Note): [string, string] {
    return [this.keys.channel, JSON.stringify(note)]
  }

  #onSession(name: ScriptName, ref: SessionRef, args: readonly string[]): ScriptCall {
    return {
      name,
      keys: [this.keys.session(ref.id), ...this.keys.indexes(ref)],
      args: [ref.userId ?? '', this.#monitoring, ref.id, ...args],
    }
  }
}

/** The words of a script call as they are sent: by hash, or whole when the server does not know the script yet. */
export function evalCommand({ name, keys, args }: ScriptCall, by: 'EVALSHA' | 'EVAL' = 'EVALSHA'): string[] {
  const script = scripts[name]
  return [by, by === 'EVALSHA' ? script.sha1 : script.source, String(keys.length), ...keys, ...args]
}

function seconds(ms: number): string {
  return String(ms / 1000)
}

/** Pairs, after how many there are. */
function counted(pairs: Iterable<readonly [string, string | number]>): string[] {
  const words = [...pairs].flatMap(([field, value]) => [field, String(value)])
  return [String(words.length / 2), ...words]
}

function dueBy({ longest, parts }: TouchRule): [string, string] {
  return [String(longest), String(parts)]
}

function optional(text: string | null): [string, string] {
  return text === null ? ['', ''] : ['1', text]
}
