import { setTimeout as pause } from 'node:timers/promises'
import { Asker } from './asker.ts'
import { type Done, type Op, outcomeOf } from './history.ts'

export interface LoadOptions {
  /** The ports of the application's processes. */
  readonly ports: readonly number[]
  readonly connections: number
  /** The mean time in ms between an answer and the same connection's next request. */
  readonly rest: number
  /** How many tabs share the session of a browser. Default 2. */
  readonly tabs?: number
  /** What the labels of this load's sessions begin with. */
  readonly name: string
}

/** How often each is done by somebody who is logged in. */
const WEIGHTS: readonly (readonly [op: Op, weight: number])[] = [
  ['read', 240],
  ['write', 240],
  ['increment', 140],
  ['append', 80],
  ['guarded', 80],
  ['devices', 60],
  ['setRoles', 30],
  ['rotate', 30],
  ['logout', 15],
  ['revoke', 10],
  ['revokeOthers', 5],
  ['revokeAll', 3],
]
const CHOICES = WEIGHTS.flatMap(([op, weight]) => Array<Op>(weight).fill(op))
/** What a visitor does who has a session and is not logged in. */
const AS_GUEST: readonly Op[] = ['write', 'read', 'increment', 'append', 'rotate', 'login', 'login', 'logout']

/** A user id is used for so long, in ms: how much there is to know of one user is bounded. */
const USER_LASTS = 15_000
const BROWSERS_PER_USER = 4

/** The cookie jar that two tabs share, and what they know of the session. */
interface Browser {
  readonly group: number
  token: string | null
  label: string | null
  user: string | null
}

/**
 * Users with several browsers each, in each of which two tabs ask for everything, one thing after the other. Every request is
 * recorded with what it was answered. Nothing here decides what is right: that is the checker's.
 */
export class Load {
  readonly history: Done[] = []
  readonly #options: LoadOptions
  readonly #asker: Asker
  readonly #began = performance.now()
  readonly #labels = new Map<string, string[]>()
  #count = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#asker = new Asker(options.ports)
  }

  /** Runs until told that it is over; every request has been answered, or never will be, when it resolves. */
  async run(isOver: () => boolean): Promise<void> {
    const { connections, tabs: each = 2 } = this.#options
    const browsers = Array.from({ length: connections / each }, (_, i): Browser => {
      return { group: Math.floor(i / BROWSERS_PER_USER), token: null, label: null, user: null }
    })
    const tabs = browsers.flatMap((browser) => Array.from({ length: each }, () => this.#tab(browser, isOver)))
    await Promise.all(tabs)
    this.#asker.close()
  }

  /** Breaks the connection of some request that is on its way. */
  breakOne(): void {
    this.#asker.breakOne()
  }

  async #tab(browser: Browser, isOver: () => boolean): Promise<void> {
    let field = ''
    while (!isOver()) {
      // A field has one writer. Where nobody knows what became of a write, another field takes its place: what is late harms nobody.
      if (field === '') field = `r${++this.#count}`
      const done = await this.#step(browser, field)
      this.history.push(done)
      if (done.op === 'write' && outcomeOf(done) === 'unknown') field = ''
      await pause(Math.random() * 2 * this.#options.rest)
    }
  }

  async #step(browser: Browser, field: string): Promise<Done> {
    const { token, label } = browser
    const op = this.#choose(browser)
    const user = op === 'login' ? this.#userOf(browser) : (browser.user ?? undefined)
    const fresh = `${this.#options.name}-${++this.#count}`
    const asked = {
      op,
      token,
      ...(user !== undefined && { user }),
      ...((op === 'begin' || op === 'login') && { label: fresh }),
      ...(op === 'revoke' && { target: pick(this.#labels.get(user ?? '') ?? []) ?? 'nobody' }),
      ...(op === 'write' && { field, value: `v${fresh}`, at: Math.random() < 0.5 ? 'once' : 'the end' }),
      ...(op === 'append' && { value: `v${fresh}` }),
      ...(op === 'setRoles' && { roles: Math.random() < 0.5 ? ['admin', fresh] : [fresh] }),
    }
    const done = await this.#asker.ask(asked)
    // As a browser would, but for a cookie that has changed meanwhile: two logins at once lead to two sessions, one of them unused.
    if (browser.token === token && browser.label === label) this.#keep(browser, done)
    return done
  }

  #keep(browser: Browser, done: Done): void {
    const { op, issued } = done
    const isOver = ['logout', 'revokeAll', 'login'].includes(op) && outcomeOf(done) !== 'refused'
    if (issued !== null && (op === 'begin' || op === 'login')) {
      browser.token = issued
      browser.label = done.label ?? null
      browser.user = op === 'login' ? (done.user ?? null) : null
      if (op === 'login') this.#remember(done.user, done.label)
    } else if (issued !== null) {
      browser.token = issued
    } else if (isOver || done.status === 401) {
      browser.token = null
      browser.label = null
      browser.user = null
    }
  }

  #remember(user = '', label = ''): void {
    const labels = this.#labels.get(user) ?? []
    this.#labels.set(user, [...labels.slice(-8), label])
  }

  #choose({ token, user }: Browser): Op {
    if (token === null) return Math.random() < 0.5 ? 'begin' : 'login'
    if (user === null) return pick(AS_GUEST) as Op
    return pick(CHOICES) as Op
  }

  #userOf({ group }: Browser): string {
    const age = Math.floor((performance.now() - this.#began) / USER_LASTS)
    return `${this.#options.name}-user-${group}-${age}`
  }
}

function pick<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}
