import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Sessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { type LossyProxy, startLossyProxy } from '../fire/lossy-proxy.ts'
import { CLIENTS } from '../redis/clients.ts'
import type { Scope } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Result } from './under-load.ts'

export interface CutOptions {
  /** A client by its name in test/redis/clients.ts. */
  readonly client: string
  /** Replies are cut after each so many bytes more than the time before. */
  readonly step: number
}

interface Data {
  name: string
  views: number
  list: string[]
}

/** Somebody whose session goes over the connection that breaks, and what is known of it. */
interface Person {
  readonly name: string
  readonly token: string
  /** Increments that were acknowledged, and those of which nobody knows. */
  counted: number
  unknown: number
  /** The items of the list, likewise. */
  readonly kept: Set<string>
  readonly unsure: Set<string>
}

/** The replies to what three people ask at once are longer than the last of these bytes. */
const LONGEST = 1800

/**
 * The connection breaks in the middle of a reply, at each byte, while commands of several sessions are on it: what is told of a
 * session is its own and right, or it is an error.
 */
export async function cutReplies(scope: Scope, { client, step }: CutOptions): Promise<Result> {
  const redis = await startRedis()
  scope.after(() => redis.stop())
  const proxy = await startLossyProxy(scope, redis.port)
  const made = CLIENTS[client]?.(`redis://127.0.0.1:${proxy.port}`)
  if (made === undefined) throw new Error(`There is no client ${client}`)
  scope.after(() => made.destroy())
  await made.connect()
  const sessions = createSessions<Data>({ store: redisStore(made.client), storeTimeout: 5000 })
  const people = await Promise.all(['Ada', 'Grace', 'Barbara'].map((name) => begin(sessions, name)))

  const violations: string[] = []
  const tally = { right: 0, failed: 0 }
  let cuts = 0
  for (let keep = Math.floor(Math.random() * step); keep <= LONGEST; keep += step) {
    while (!made.isReady) await pause(1)
    await cutOnce(proxy, keep, () => Promise.all(people.map((person) => askAll(sessions, person, tally, violations))))
    cuts++
  }
  for (const person of people) violations.push(...(await wrongAtLast(sessions, person)))
  return {
    done: `${client}: ${cuts} replies cut, after 0 to ${LONGEST} bytes, every ${step}`,
    measured: { 'right answers': tally.right, errors: tally.failed },
    violations: tally.failed > 0 ? violations : [...violations, 'nothing failed: this proves nothing'],
  }
}

/** The reply to the next command of a session breaks off. */
async function cutOnce(proxy: LossyProxy, keep: number, ask: () => Promise<unknown>): Promise<void> {
  const cut = proxy.lose('reply', 'session:{', 'break', keep)
  await ask()
  // Whatever was not broken off by then is, with the next bytes.
  while (!(await Promise.race([cut.then(() => true), pause(5, false)]))) await ask()
}

async function begin(sessions: Sessions<Data>, name: string): Promise<Person> {
  const { token } = await sessions.create({ name, views: 0, list: [] })
  return { name, token, counted: 0, unknown: 0, kept: new Set(), unsure: new Set() }
}

let items = 0

/** Reads, counts and appends, all at once. */
async function askAll(
  sessions: Sessions<Data>,
  person: Person,
  tally: { right: number; failed: number },
  violations: string[],
): Promise<void> {
  const { name, token } = person
  const item = `${name} ${++items}`
  const [kept, atMost] = [person.counted, person.counted + person.unknown + 2]
  const attempts: Record<string, Promise<unknown>> = {
    read: sessions.peek(token).then((session) => {
      if (session?.data.name !== name) violations.push(`${name} was shown ${JSON.stringify(session?.data)}`)
      const views = session?.data.views ?? -1
      if (views < kept || views > atMost) violations.push(`${name} was shown ${views} views, not ${kept} to ${atMost}`)
    }),
    increment: sessions.increment(token, 'views').then((views) => {
      if (views <= kept || views > atMost) violations.push(`${name} counted ${views}, not ${kept + 1} to ${atMost}`)
      person.counted++
    }),
    append: sessions
      .update(token, 'list', (list = []) => [...list.slice(-3), item])
      .then((list) => {
        if (!list?.every((each) => each.startsWith(name))) violations.push(`${name} got the list ${list}`)
        person.kept.clear()
        person.kept.add(item)
      }),
    timeToLive: sessions.timeToLive(token).then((ms) => {
      if (ms === null || ms > 1_800_000 || ms < 1_000_000) violations.push(`${name} has ${ms} ms to live`)
    }),
  }
  await Promise.all(
    Object.entries(attempts).map(async ([what, attempt]) => {
      try {
        await attempt
        tally.right++
      } catch (error) {
        tally.failed++
        if (!(error instanceof StoreError)) violations.push(`${what} of ${name}: ${error}`)
        else if (what === 'increment' && error.outcome === 'unknown') person.unknown++
        else if (what === 'append' && error.outcome === 'unknown') person.unsure.add(item)
      }
    }),
  )
}

/** What is there when all is over. */
async function wrongAtLast(sessions: Sessions<Data>, { name, token, counted, unknown, kept, unsure }: Person) {
  const data = (await sessions.peek(token))?.data
  const views = data?.views ?? -1
  const list = data?.list ?? []
  return [
    ...(data?.name === name ? [] : [`${name} is called ${data?.name}`]),
    ...(views >= counted && views <= counted + unknown
      ? []
      : [`${views} views, not ${counted} to ${counted + unknown}`]),
    ...[...kept].filter((item) => !list.includes(item) && list.filter((each) => unsure.has(each)).length < 4),
  ]
}
