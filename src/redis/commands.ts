import type { Changes, NewSession, RotateOptions, SessionRef } from '../core/store.ts'
import type { Keys } from './keys.ts'
import { type ScriptName, scripts } from './scripts.ts'

/** A script call before it is sent. */
export interface ScriptCall {
  readonly name: ScriptName
  readonly keys: readonly string[]
  readonly args: readonly string[]
}

/**
 * The exact commands of every operation. Pure, so that they can be shown, logged and tested without a server.
 *
 * | operation | command |
 * |---|---|
 * | load | `HGETALL session` |
 * | touch, commit, update, create, rotate, destroy | `EVALSHA` of the script of that name (`lua/`) |
 * | timeToLive | `HGETALL session`, then `PTTL session` |
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
  follow(id: string, successor: string): ScriptCall {
    return { name: 'follow', keys: [this.keys.session(id), this.keys.session(successor)], args: ['', ''] }
  }

  touch(ref: SessionRef, every: number): ScriptCall {
    return this.#onSession('touch', ref, [String(every)])
  }

  commit(ref: SessionRef, changes: Changes): ScriptCall {
    const args = [changes.idleTimeout === null ? '' : seconds(changes.idleTimeout), changes.replace ? '1' : '']
    args.push(String(changes.set.size))
    for (const [field, text] of changes.set) args.push(field, text)
    args.push(String(changes.remove.length), ...changes.remove, String(changes.increments.length))
    for (const [field, by] of changes.increments) args.push(field, String(by))
    return this.#onSession('commit', ref, args)
  }

  update(ref: SessionRef, field: string, expected: string | null, next: string | null): ScriptCall {
    return this.#onSession('update', ref, [field, ...optional(expected), ...optional(next)])
  }

  /** @param others ids of the user's sessions, some of which may have to end */
  create(session: NewSession, others: readonly string[]): ScriptCall {
    const { idleTimeout, lifetime, data, maxPerUser } = session
    const args = [seconds(idleTimeout), String(lifetime), String(maxPerUser.limit)]
    args.push(maxPerUser.whenFull === 'refuse' ? '1' : '', String(others.length), ...others)
    for (const [field, text] of data) args.push(field, text)
    const call = this.#onSession('create', session, args)
    return { ...call, keys: [...call.keys, ...others.map((id) => this.keys.session(id))] }
  }

  rotate(ref: SessionRef, to: string, { grace, reuseWindow }: RotateOptions): ScriptCall {
    const call = this.#onSession('rotate', ref, [to, String(grace), String(reuseWindow)])
    const [own, ...indexes] = call.keys as [string, ...string[]]
    return { ...call, keys: [own, this.keys.session(to), ...indexes] }
  }

  destroy(ref: SessionRef): ScriptCall {
    return this.#onSession('destroy', ref, [])
  }

  timeToLive(id: string): string[] {
    return ['PTTL', this.keys.session(id)]
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

function optional(text: string | null): [string, string] {
  return text === null ? ['', ''] : ['1', text]
}
