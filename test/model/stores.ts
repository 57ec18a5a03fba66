import type { Sessions } from '../../src/core/sessions.ts'
import type { SessionEvent, SessionSnapshot } from '../../src/index.ts'
import {
  type Beginning,
  type Data,
  type Handle,
  type Listed,
  type Outcome,
  outcomeOf,
  type Seen,
  type Stats,
  type Told,
  type Who,
} from './operations.ts'

type Snapshot = SessionSnapshot<Data>

/** Sessions on a store, in the words of the model: with handles for the tokens and ids that the store has given out. */
export class StoreSide {
  protected readonly sessions: Sessions<Data>
  /** How far what the store says lies behind the model's time. */
  protected readonly behind: () => number
  readonly #tokens: string[] = []
  readonly #ids: string[] = []

  /** Has something done in the middle of the next operation, as far as that has one; else before it. */
  readonly #inBetween: (deed: () => Promise<void>) => Promise<void>

  constructor(
    sessions: Sessions<Data>,
    behind: () => number = () => 0,
    inBetween: (deed: () => Promise<void>) => Promise<void> = (deed) => deed(),
  ) {
    this.#inBetween = inBetween
    this.sessions = sessions
    this.behind = behind
  }

  async create(data: Data, beginning: Beginning): Promise<Handle> {
    return this.given(await this.sessions.create(data, beginning))
  }

  async load(who: Who): Promise<Seen | null> {
    return this.#seen(await this.sessions.load(this.token(who)))
  }

  async peek(who: Who): Promise<Seen | null> {
    return this.#seen(await this.sessions.peek(this.token(who)))
  }

  touch(who: Who): Promise<boolean> {
    return this.sessions.touch(this.token(who))
  }

  set(who: Who, data: Data): Promise<void> {
    return this.sessions.set(this.token(who), data)
  }

  update(who: Who, field: string, change: (current: unknown) => unknown): Promise<unknown> {
    return this.sessions.update(this.token(who), field, change)
  }

  increment(who: Who, field: string, by: number): Promise<number> {
    return this.sessions.increment(this.token(who), field as never, by)
  }

  setIdleTimeout(who: Who, idleTimeout: number): Promise<void> {
    return this.sessions.setIdleTimeout(this.token(who), idleTimeout)
  }

  timeToLive(who: Who): Promise<number | null> {
    return this.sessions.timeToLive(this.token(who))
  }

  async rotate(who: Who): Promise<{ token: boolean; session: Handle }> {
    const { token, id } = await this.sessions.rotate(this.token(who))
    return { token: token !== null, session: token === null ? this.known(id) : this.given({ token, id }) }
  }

  destroy(who: Who): Promise<boolean> {
    return this.sessions.destroy(this.token(who))
  }

  async find(who: Who): Promise<Seen | null> {
    return this.#seen(await this.sessions.find(this.id(who)))
  }

  revoke(who: Who): Promise<boolean> {
    return this.sessions.revoke(this.id(who))
  }

  count(): Promise<number> {
    return this.sessions.count()
  }

  async stats(): Promise<Stats> {
    const { process: _, users, ...stats } = await this.sessions.stats()
    return { ...stats, users: Number(users) }
  }

  async recent(limit: number): Promise<Listed[]> {
    return (await this.sessions.recent(limit)).map((session) => this.listed(session))
  }

  async pages(limit: number): Promise<Listed[]> {
    const all = []
    let page = await this.sessions.recent(limit)
    while (page.length > 0) {
      all.push(...page)
      page = await this.sessions.recent(limit, { after: page.at(-1) as Snapshot })
    }
    return all.map((session) => this.listed(session))
  }

  async listOf(userId: string): Promise<Listed[]> {
    return (await this.sessions.user(userId).list()).map((session) => this.listed(session))
  }

  async revokeOf(userId: string, who: Who): Promise<boolean> {
    return this.sessions.user(userId).revoke(this.id(who))
  }

  async revokeDeviceOf(userId: string, deviceId: string): Promise<number> {
    return this.sessions.user(userId).revokeDevice(deviceId)
  }

  async revokeOthersOf(userId: string, who: Who): Promise<number> {
    return this.sessions.user(userId).revokeOthers(this.id(who))
  }

  async revokeAllOf(userId: string): Promise<number> {
    return this.sessions.user(userId).revokeAll()
  }

  async setRolesOf(userId: string, roles: readonly string[]): Promise<number> {
    return this.sessions.user(userId).setRoles(roles)
  }

  revokeEveryone(): Promise<number> {
    return this.sessions.revokeEveryone()
  }

  async joined(userId: string, roles: readonly string[] | null): Promise<{ begun: Outcome; changed: number }> {
    let begun: Outcome | undefined
    await this.#inBetween(async () => {
      begun = await outcomeOf(() => this.create({}, { userId }))
    })
    const changed = await (roles === null ? this.revokeAllOf(userId) : this.setRolesOf(userId, roles))
    if (begun === undefined) throw new Error('Nothing was in between.')
    return { begun, changed }
  }

  /** The handle of an id that was given out. */
  handleOf(id: string): Handle | undefined {
    const handle = this.#ids.indexOf(id)
    return handle === -1 ? undefined : handle
  }

  told({ type, cause, id, previous }: SessionEvent): Told {
    const handleOf = (id: string | null) => (id === null ? null : this.known(id))
    return { type, cause, session: handleOf(id), previous: handleOf(previous) }
  }

  protected given({ token, id }: { token: string; id: string }): Handle {
    this.#tokens.push(token)
    return this.#ids.push(id) - 1
  }

  protected known(id: string): Handle {
    const handle = this.handleOf(id)
    if (handle === undefined) throw new Error(`${id} is the id of no session that was given out`)
    return handle
  }

  protected token(who: Who): string {
    return typeof who === 'string' ? who : (this.#tokens[who] as string)
  }

  protected id(who: Who): string {
    return typeof who === 'string' ? who : (this.#ids[who] as string)
  }

  #seen(snapshot: Snapshot | null): Seen | null {
    return snapshot && { ...this.listed(snapshot), data: snapshot.data as Data }
  }

  protected listed({ id, ...session }: Omit<Snapshot, 'data'>): Listed {
    const { createdAt, lastAccessedAt, deadline, expiresAt, authenticatedAt } = session
    return {
      session: this.known(id),
      userId: session.userId,
      roles: session.roles,
      device: session.device,
      deviceId: session.deviceId,
      ip: session.ip,
      idleTimeout: session.idleTimeout,
      createdAt: createdAt + this.behind(),
      lastAccessedAt: lastAccessedAt + this.behind(),
      deadline: deadline + this.behind(),
      expiresAt: expiresAt + this.behind(),
      authenticatedAt: authenticatedAt && authenticatedAt + this.behind(),
    }
  }
}
